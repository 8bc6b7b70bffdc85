using Prometheus;

namespace Bursar.Operator.Http;

/// <summary>
/// The metrics of one operator in their own registry, because several operators can run in one process. Observed families are filled before
/// each scrape. Thread-safe.
/// </summary>
internal sealed class ScrapeRegistry
{
    private readonly Lock _gate = new();
    private readonly CollectorRegistry _registry = Metrics.NewCustomRegistry();
    private readonly List<ObservedFamily> _observed = [];
    private readonly List<Action> _fills = [];

    private readonly MetricFactory _factory;
    private readonly List<Collector> _families = [];

    public ScrapeRegistry()
    {
        _factory = Metrics.WithCustomRegistry(_registry);
        _factory.ExemplarBehavior = ExemplarBehavior.NoExemplars();
        _registry.AddBeforeCollectCallback(Fill);
    }

    public IReadOnlyList<Collector> Families => _families;

    public Counter CreateCounter(string name, string help, params string[] labels) => Keep(_factory.CreateCounter(name, help, labels));

    public Gauge CreateGauge(string name, string help, params string[] labels) => Keep(_factory.CreateGauge(name, help, labels));

    public Histogram CreateHistogram(string name, string help, HistogramConfiguration configuration) =>
        Keep(_factory.CreateHistogram(name, help, configuration));

    /// <summary>Adds a family of gauges whose series are reported at each scrape.</summary>
    public ObservedFamily Gauge(string name, string help, params string[] labels)
    {
        var gauge = Keep(_factory.CreateGauge(name, help, new GaugeConfiguration { LabelNames = labels, SuppressInitialValue = true }));
        return Add(
            new(
                values =>
                {
                    var series = gauge.WithLabels(values);
                    return series.Set;
                },
                gauge.RemoveLabelled
            )
        );
    }

    /// <summary>Adds a family of counters whose sums are reported at each scrape. A sum that falls is shown at its highest value.</summary>
    public ObservedFamily Counter(string name, string help, params string[] labels)
    {
        var counter = Keep(
            _factory.CreateCounter(name, help, new CounterConfiguration { LabelNames = labels, SuppressInitialValue = true })
        );
        return Add(
            new(
                values =>
                {
                    var series = counter.WithLabels(values);
                    return series.IncTo;
                },
                counter.RemoveLabelled
            )
        );
    }

    /// <summary>Calls <paramref name="fill"/> before each scrape, to report the series of the observed families.</summary>
    public void BeforeScrape(Action fill) => _fills.Add(fill);

    public Task WriteAsync(Stream stream, CancellationToken cancellationToken) =>
        _registry.CollectAndExportAsTextAsync(stream, cancellationToken);

    private T Keep<T>(T family)
        where T : Collector
    {
        _families.Add(family);
        return family;
    }

    private ObservedFamily Add(ObservedFamily family)
    {
        _observed.Add(family);
        return family;
    }

    private void Fill()
    {
        lock (_gate)
        {
            foreach (var fill in _fills)
                fill();
            foreach (var family in _observed)
                family.RemoveUnreported();
        }
    }
}

/// <summary>A metric whose series are reported at each scrape. A series that is not reported is removed.</summary>
internal sealed class ObservedFamily(Func<string[], Action<double>> create, Action<string[]> remove)
{
    private readonly Dictionary<string[], Series> _series = new(LabelComparer.Instance);

    /// <summary>Reports the value of a series for this scrape.</summary>
    /// <param name="labels">The values of the labels, in the order of their names.</param>
    public void Report(double value, params string[] labels)
    {
        if (!_series.TryGetValue(labels, out var series))
            _series.Add(labels, series = new(create(labels)));
        series.Set(value);
        series.IsReported = true;
    }

    /// <summary>Ends a scrape and removes the series that were not reported.</summary>
    public void RemoveUnreported()
    {
        foreach (var (labels, series) in _series)
        {
            if (!series.IsReported)
            {
                _series.Remove(labels);
                remove(labels);
            }
            series.IsReported = false;
        }
    }

    private sealed class Series(Action<double> set)
    {
        public Action<double> Set { get; } = set;

        public bool IsReported { get; set; }
    }

    private sealed class LabelComparer : IEqualityComparer<string[]>
    {
        public static readonly LabelComparer Instance = new();

        public bool Equals(string[]? x, string[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(string[] labels)
        {
            var hash = new HashCode();
            foreach (var label in labels)
                hash.Add(label);
            return hash.ToHashCode();
        }
    }
}
