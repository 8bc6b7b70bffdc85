using Bursar.Agent.Endpoints;
using Bursar.Core.Scaling;

namespace Bursar.Operator.Scaling.Signals;

/// <summary>
/// The last readings of one pod, as much of them as rates and increases need: some ten of tokens, a dozen of histograms, fifteen
/// of each device. Times are the operator's.
/// </summary>
internal sealed class SignalTrack
{
    private static readonly TimeSpan RateWindow = TimeSpan.FromSeconds(10);

    /// <summary>Readings closer together make no rate: a scrape that was late and one that was early.</summary>
    private static readonly TimeSpan ShortestRate = TimeSpan.FromMilliseconds(500);

    /// <summary>What was read longer ago says nothing of now.</summary>
    private static readonly TimeSpan LongestRate = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan HistogramWindow = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan HistogramSpacing = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan DeviceWindow = TimeSpan.FromSeconds(15);

    /// <summary>A pod has no more of either, whatever an agent says.</summary>
    private const int MaxDevices = 64;
    private const int MaxReadings = 64;

    private readonly TokenRate _prompt = new();
    private readonly TokenRate _generated = new();
    private readonly Increase _firstToken = new();
    private readonly Increase _betweenTokens = new();
    private readonly Increase _endToEnd = new();
    private readonly Dictionary<string, List<(DateTimeOffset Told, DateTimeOffset At, int Percent)>> _devices = new(StringComparer.Ordinal);
    private DateTimeOffset? _told;
    private DateTimeOffset? _read;
    private PodSignal? _last;

    /// <summary>The node whose agent speaks of it.</summary>
    public string Node { get; init; } = "";

    /// <summary>When an agent last named the pod.</summary>
    public DateTimeOffset Named { get; set; }

    /// <summary>Takes a reading of the pod's page; false when it is the one that is known.</summary>
    /// <param name="signal">What the page showed.</param>
    /// <param name="at">When, by the operator's clock.</param>
    public bool Take(PodSignal signal, DateTimeOffset at)
    {
        if (_told == signal.At)
            return false;
        // The agent's clock was set back: what was read before cannot be put in order with it.
        if (signal.At < _told)
            Restart();
        _told = signal.At;
        // Between readings by the agent's own clock; ours only says how long ago the last one was.
        _read = at;
        _last = signal;
        _prompt.Take(signal.At, signal.PromptTokens);
        _generated.Take(signal.At, signal.GeneratedTokens);
        _firstToken.Take(signal.At, Read(signal.FirstToken));
        _betweenTokens.Take(signal.At, Read(signal.BetweenTokens));
        _endToEnd.Take(signal.At, Read(signal.EndToEnd));
        return true;
    }

    /// <summary>Takes a reading of one of its devices; false when it is known.</summary>
    /// <param name="device">Which.</param>
    /// <param name="percent">How much of its time it worked.</param>
    /// <param name="told">When it was read, by the agent's clock: what tells one reading from the next.</param>
    /// <param name="at">When, by the operator's clock.</param>
    public bool Take(string device, int percent, DateTimeOffset told, DateTimeOffset at)
    {
        if (!_devices.TryGetValue(device, out var readings))
        {
            if (_devices.Count >= MaxDevices)
                return false;
            _devices.Add(device, readings = []);
        }
        if (readings.Count > 0 && readings[^1].Told == told)
            return false;
        readings.RemoveAll(reading => reading.At <= at - DeviceWindow || reading.At > at);
        if (readings.Count >= MaxReadings)
            readings.RemoveAt(0);
        readings.Add((told, at, percent));
        return true;
    }

    /// <summary>Null while nothing was read.</summary>
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
            // Some servers count the block in work twice and come out a little above the whole.
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

        /// <summary>Null until there are two readings of one life of the counter.</summary>
        public double? PerSecond =>
            _readings.Count > 1 && _readings[^1].At - _readings[0].At is var span && span >= ShortestRate
                ? (_readings[^1].Count - _readings[0].Count) / span.TotalSeconds
                : null;

        public void Take(DateTimeOffset at, long? count)
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
            // The last two make a rate even where the pod is read less often than the window is long.
            while (_readings.Count > 2 && (_readings[0].At < at - RateWindow || _readings.Count > MaxReadings))
                _readings.RemoveAt(0);
        }

        public void Restart() => _readings.Clear();
    }

    private sealed class Increase
    {
        /// <summary>Some seconds apart, the newest last; before them, one at the beginning of the window or before it.</summary>
        private readonly List<(DateTimeOffset At, LatencyHistogram Counts)> _kept = [];

        private (DateTimeOffset At, LatencyHistogram Counts)? _last;

        /// <summary>Null until there is something that it is the increase since.</summary>
        public LatencyHistogram? Now =>
            _last is { } last && _kept.Count > 0 && _kept[0].At < last.At ? last.Counts.Since(_kept[0].Counts) : null;

        public void Take(DateTimeOffset at, LatencyHistogram? counts)
        {
            if (counts is null)
            {
                Restart();
                return;
            }
            if (_last is { } last && counts.BeganAnewSince(last.Counts))
            {
                _kept.Clear();
                // It began at nothing: all that it counted is of the time since.
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
