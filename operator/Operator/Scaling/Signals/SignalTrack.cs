using Bursar.Agent.Endpoints;
using Bursar.Core.Scaling;

namespace Bursar.Operator.Scaling.Signals;

/// <summary>
/// The recent readings of one pod that rates and increases need: about ten of tokens, a dozen of histograms, fifteen per device. Times are
/// the operator's unless noted.
/// </summary>
internal sealed class SignalTrack
{
    private static readonly TimeSpan RateWindow = TimeSpan.FromSeconds(10);

    /// <summary>Readings closer together give no rate, because one scrape was late and the next one early.</summary>
    private static readonly TimeSpan ShortestRate = TimeSpan.FromMilliseconds(500);

    /// <summary>Readings further apart give no rate.</summary>
    private static readonly TimeSpan LongestRate = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan HistogramWindow = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan HistogramSpacing = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan DeviceWindow = TimeSpan.FromSeconds(15);

    /// <summary>Upper limits, whatever an agent reports.</summary>
    private const int MaxDevices = 64;
    private const int MaxReadings = 64;

    private readonly TokenRate _prompt = new();
    private readonly TokenRate _generated = new();
    private readonly Increase _firstToken = new();
    private readonly Increase _betweenTokens = new();
    private readonly Increase _endToEnd = new();
    private readonly Dictionary<string, List<(DateTimeOffset Reported, DateTimeOffset At, int Percent)>> _devices = new(
        StringComparer.Ordinal
    );
    private DateTimeOffset? _reportedAt;
    private DateTimeOffset? _read;
    private PodSignal? _last;

    public string Node { get; init; } = "";

    public DateTimeOffset Named { get; set; }

    /// <summary>Records a reading of the pod's metrics. Returns false if it is known.</summary>
    /// <param name="signal">The reading, with the agent's time.</param>
    /// <param name="at">Its time by the operator's clock.</param>
    public bool Record(PodSignal signal, DateTimeOffset at)
    {
        if (_reportedAt == signal.At)
            return false;
        // The agent's clock was set back, so older readings cannot be ordered with this one.
        if (signal.At < _reportedAt)
            Restart();
        _reportedAt = signal.At;
        // Intervals use the agent's clock. The operator's clock only gives the age of the last reading.
        _read = at;
        _last = signal;
        _prompt.Record(signal.At, signal.PromptTokens);
        _generated.Record(signal.At, signal.GeneratedTokens);
        _firstToken.Record(signal.At, Read(signal.FirstToken));
        _betweenTokens.Record(signal.At, Read(signal.BetweenTokens));
        _endToEnd.Record(signal.At, Read(signal.EndToEnd));
        return true;
    }

    /// <summary>Records a reading of one of its devices. Returns false if it is known.</summary>
    /// <param name="percent">Utilization in percent.</param>
    /// <param name="reported">Time by the agent's clock, which identifies the reading.</param>
    /// <param name="at">Time by the operator's clock.</param>
    public bool Record(string device, int percent, DateTimeOffset reported, DateTimeOffset at)
    {
        if (!_devices.TryGetValue(device, out var readings))
        {
            if (_devices.Count >= MaxDevices)
                return false;
            _devices.Add(device, readings = []);
        }
        if (readings.Count > 0 && readings[^1].Reported == reported)
            return false;
        readings.RemoveAll(reading => reading.At <= at - DeviceWindow || reading.At > at);
        if (readings.Count >= MaxReadings)
            readings.RemoveAt(0);
        readings.Add((reported, at, percent));
        return true;
    }

    /// <summary>Returns the metrics at a time; null before the first reading.</summary>
    public PodSignals? At(DateTimeOffset now)
    {
        var devices = _devices
            .Values.Select(readings =>
                readings.Where(reading => reading.At > now - DeviceWindow).Select(reading => (double)reading.Percent).ToArray()
            )
            .Where(readings => readings.Length > 0)
            .ToArray();
        if ((_read ?? _devices.Values.SelectMany(readings => readings).Select(reading => (DateTimeOffset?)reading.At).Max()) is not { } at)
            return null;
        return new()
        {
            At = at,
            PromptTokensPerSecond = _prompt.PerSecond,
            GeneratedTokensPerSecond = _generated.PerSecond,
            RequestsRunning = _last?.RequestsRunning is >= 0 and var running ? running : null,
            RequestsWaiting = _last?.RequestsWaiting is >= 0 and var waiting ? waiting : null,
            // Some servers count the current block twice and report slightly more than 1.
            CacheUse = _last?.CacheUse is >= 0 and <= 1.05 and var use ? Math.Min(use, 1) : null,
            GpuUtilizationPercent = devices.Length > 0 ? devices.Average(readings => readings.Average()) : null,
            FirstToken = _firstToken.Now,
            BetweenTokens = _betweenTokens.Now,
            EndToEnd = _endToEnd.Now,
        };
    }

    private static LatencyHistogram? Read(HistogramSignal? signal) =>
        signal is null ? null : LatencyHistogram.TryCreate(signal.Bounds, signal.Counts, out _);

    private void Restart()
    {
        _prompt.Restart();
        _generated.Restart();
        _firstToken.Restart();
        _betweenTokens.Restart();
        _endToEnd.Restart();
    }

    private sealed class TokenRate
    {
        private readonly List<(DateTimeOffset At, long Count)> _readings = [];

        /// <summary>Null until there are two readings without a reset of the counter.</summary>
        public double? PerSecond =>
            _readings.Count > 1 && _readings[^1].At - _readings[0].At is var span && span >= ShortestRate
                ? (_readings[^1].Count - _readings[0].Count) / span.TotalSeconds
                : null;

        public void Record(DateTimeOffset at, long? count)
        {
            if (
                count is not { } known
                || known < 0
                || _readings.Count > 0 && (known < _readings[^1].Count || at - _readings[^1].At > LongestRate)
            )
                Restart();
            if (count is not { } value || value < 0)
                return;
            _readings.Add((at, value));
            // Keep at least two readings, even if scrapes are further apart than the window.
            while (_readings.Count > 2 && (_readings[0].At < at - RateWindow || _readings.Count > MaxReadings))
                _readings.RemoveAt(0);
        }

        public void Restart() => _readings.Clear();
    }

    private sealed class Increase
    {
        /// <summary>Readings some seconds apart, the newest last. The first one is at or before the start of the window.</summary>
        private readonly List<(DateTimeOffset At, LatencyHistogram Counts)> _kept = [];

        private (DateTimeOffset At, LatencyHistogram Counts)? _last;

        /// <summary>Null until there is an earlier reading to subtract.</summary>
        public LatencyHistogram? Now =>
            _last is { } last && _kept.Count > 0 && _kept[0].At < last.At ? last.Counts.Since(_kept[0].Counts) : null;

        public void Record(DateTimeOffset at, LatencyHistogram? counts)
        {
            if (counts is null)
            {
                Restart();
                return;
            }
            if (_last is { } last && counts.BeganAnewSince(last.Counts))
            {
                _kept.Clear();
                // The counter was reset to zero, so all its counts are from the time since.
                _kept.Add((last.At, LatencyHistogram.TryCreate(counts.Bounds, new long[counts.Counts.Count], out _)!));
            }
            if (_kept.Count == 0 || at - _kept[^1].At >= HistogramSpacing)
                _kept.Add((at, counts));
            while (_kept.Count > 1 && _kept[1].At <= at - HistogramWindow)
                _kept.RemoveAt(0);
            _last = (at, counts);
        }

        public void Restart()
        {
            _kept.Clear();
            _last = null;
        }
    }
}
