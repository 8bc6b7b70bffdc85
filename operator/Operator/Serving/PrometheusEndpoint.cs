using System.Diagnostics.Metrics;
using System.Globalization;
using Bursar.Core.Text;

namespace Bursar.Operator.Serving;

/// <summary>
/// Shows one meter's instruments as a Prometheus page. Instruments carry their Prometheus names already; counters and
/// histograms are summed here as they are told, observed ones are asked at each scrape.
/// </summary>
public sealed class PrometheusEndpoint : IDisposable
{
    private readonly Lock _gate = new();
    private readonly MeterListener _listener = new();
    private readonly List<MetricSeries> _series = [];

    /// <summary>Shows <paramref name="meter"/> alone: a process may hold several meters of one name.</summary>
    public PrometheusEndpoint(Meter meter)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (!ReferenceEquals(instrument.Meter, meter)) return;
            var series = new MetricSeries(instrument);
            lock (_gate) _series.Add(series);
            listener.EnableMeasurementEvents(instrument, series);
        };
        _listener.SetMeasurementEventCallback<double>((_, value, tags, state) => Take(value, tags, state));
        _listener.SetMeasurementEventCallback<long>((_, value, tags, state) => Take(value, tags, state));
        _listener.SetMeasurementEventCallback<int>((_, value, tags, state) => Take(value, tags, state));
        _listener.Start();
    }

    public byte[] Scrape()
    {
        // One at a time: what is observed is collected into the same series.
        lock (_gate)
        {
            foreach (var series in _series) series.BeginScrape();
            _listener.RecordObservableInstruments();
            var writer = new PrometheusWriter();
            foreach (var series in _series) series.Write(writer);
            return writer.ToUtf8();
        }
    }

    public void Dispose() => _listener.Dispose();

    private static void Take(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags, object? state) => ((MetricSeries)state!).Take(value, tags);
}

/// <summary>What one instrument has told, by labels.</summary>
internal sealed class MetricSeries
{
    /// <summary>Seconds; from a cached answer to a request that ran into its limit.</summary>
    private static readonly double[] DefaultBounds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

    private readonly Lock _gate = new();
    private readonly Instrument _instrument;
    private readonly PrometheusType _type;
    private readonly double[] _bounds;
    private readonly Dictionary<string, Cell> _cells = new(StringComparer.Ordinal);

    public MetricSeries(Instrument instrument)
    {
        _instrument = instrument;
        var kind = instrument.GetType();
        var generic = kind.IsGenericType ? kind.GetGenericTypeDefinition() : kind;
        _type = generic == typeof(Counter<>) || generic == typeof(ObservableCounter<>) ? PrometheusType.Counter
            : generic == typeof(Histogram<>) ? PrometheusType.Histogram
            : PrometheusType.Gauge;
        _bounds = (instrument as Histogram<double>)?.Advice?.HistogramBucketBoundaries is { } advised ? [.. advised] : DefaultBounds;
    }

    public void BeginScrape()
    {
        if (!_instrument.IsObservable) return;
        lock (_gate) _cells.Clear();
    }

    public void Take(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var labels = new (string Name, string Value)[tags.Length];
        for (var i = 0; i < tags.Length; i++) labels[i] = (tags[i].Key, Convert.ToString(tags[i].Value, CultureInfo.InvariantCulture) ?? "");
        var key = string.Join('\u0001', labels.Select(l => $"{l.Name}\u0002{l.Value}"));
        lock (_gate)
        {
            if (!_cells.TryGetValue(key, out var cell)) _cells.Add(key, cell = new(labels, _type == PrometheusType.Histogram ? new long[_bounds.Length] : []));
            if (_type == PrometheusType.Histogram)
            {
                cell.Sum += value;
                cell.Count++;
                for (var i = 0; i < _bounds.Length; i++)
                    if (value <= _bounds[i]) cell.Cumulative[i]++;
            }
            else if (_type == PrometheusType.Counter && !_instrument.IsObservable)
            {
                cell.Sum += value;
            }
            else
            {
                cell.Sum = value;
            }
        }
    }

    public void Write(PrometheusWriter writer)
    {
        var family = writer.Family(_instrument.Name, _type, _instrument.Description ?? "");
        lock (_gate)
        {
            foreach (var cell in _cells.Values)
            {
                if (_type != PrometheusType.Histogram)
                {
                    family.Sample(cell.Sum, cell.Labels);
                    continue;
                }
                var buckets = new (double, long)[_bounds.Length];
                for (var i = 0; i < _bounds.Length; i++) buckets[i] = (_bounds[i], cell.Cumulative[i]);
                family.Histogram(buckets, cell.Sum, cell.Count, cell.Labels);
            }
        }
    }

    private sealed class Cell((string Name, string Value)[] labels, long[] cumulative)
    {
        public (string Name, string Value)[] Labels { get; } = labels;

        public long[] Cumulative { get; } = cumulative;

        public double Sum { get; set; }

        public long Count { get; set; }
    }
}
