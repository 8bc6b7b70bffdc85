using Bursar.Api;
using Bursar.Kubernetes.Objects;
using Bursar.Kubernetes.Reconcile;
using Bursar.Operator.Billing;
using Bursar.Operator.Http;

namespace Bursar.Operator.Hosting;

/// <summary>Bills pods and nodes in the ledger, and stores the ledger in the API server.</summary>
internal sealed class BillingModule : IDisposable
{
    private readonly LeaderContext _context;
    private readonly NodeWatch _nodeWatch;
    private readonly PriceBookController _books;
    private readonly ControllerRunner<V1Alpha1GpuPriceBook> _bookRunner;
    private readonly LedgerFlusher _flusher;
    private readonly LedgerCompactor _compactor;
    private readonly bool _everPriced;

    public BillingModule(LeaderContext context, TelemetryModule telemetry, DeletedPodTracker deletedPods)
    {
        _context = context;
        var (stores, ledger, time) = (context.Stores, context.Ledger, context.Time);
        _everPriced = ledger.HasPrices;
        Prices = new(stores, ledger, time);
        Prices.Refresh();
        Nodes = new(stores, ledger, context.Client, Prices, time);
        Rates = new(stores, ledger, Prices, Nodes);
        Pods = new(stores, ledger, telemetry.Progress, time, deletedPods);
        _nodeWatch = new(stores, Nodes, context.Client);
        _books = new(context.Client, stores, ledger, Prices, context.Recorder, time);
        _bookRunner = new(
            context.Client,
            stores.PriceBooks,
            new TimedController<V1Alpha1GpuPriceBook>(_books, context.Metrics, time),
            new() { Concerns = PriceBookController.Concerns }
        );
        _flusher = new(context.Store, context.Client, context.Logger<LedgerFlusher>());
        _compactor = new(
            stores,
            ledger,
            context.Client,
            context.Options.LedgerDetailDays,
            context.Options.LedgerSumDays,
            context.Logger<LedgerCompactor>()
        );

        Prices.TrustChanged += () =>
        {
            foreach (var book in stores.PriceBooks.Store.List())
                _bookRunner.Enqueue(ObjectKey.From(book));
            PricesChanged?.Invoke();
        };
        _books.Changed += () => PricesChanged?.Invoke();
        Nodes.DevicesChanged += Pods.ObserveOn;
        stores.Gpus.DevicesChanged += node =>
        {
            _nodeWatch.Check(node);
            Pods.ObserveOn(node);
        };
        stores.Gpus.ClaimChanged += Pods.ObserveClaim;
        telemetry.Agents.Named += Nodes.ObserveName;
        telemetry.Agents.Counted += Pods.ObserveJournalOf;
        telemetry.Exporters.Named += Nodes.ObserveName;
        context.Metrics.Watch(() => telemetry.Agents.GpuNodes.Select(telemetry.Sources.Get), () => Prices.Untrusted.Count);
        context.Metrics.WatchLedger(() => context.Store.Fault);
    }

    /// <summary>Raised when a price, or the trust in a price, has changed.</summary>
    public event Action? PricesChanged;

    public PriceList Prices { get; }

    public NodeMeter Nodes { get; }

    public WorkloadRates Rates { get; }

    public PodMeter Pods { get; }

    public IEnumerable<Func<CancellationToken, Task>> Loops =>
        [_nodeWatch.RunAsync, _flusher.RunAsync, _compactor.RunAsync, _bookRunner.RunAsync];

    public void Start()
    {
        var stores = _context.Stores;
        _nodeWatch.Start();
        stores.Pods.AddHandler(
            new()
            {
                Added = Pods.Observe,
                Updated = (_, pod) => Pods.Observe(pod),
                Deleted = Pods.ObserveGone,
                DeletedUnseen = Pods.ObserveGoneUnseen,
            }
        );
        stores.ReplicaSets.AddHandler(new() { Added = set => Pods.ObserveOwner(set.Metadata.Namespace ?? "") });
        stores.RayClusters.AddHandler(new() { Added = cluster => Pods.ObserveOwner(cluster.Metadata.Namespace ?? "") });
    }

    /// <summary>
    /// Ends the pods and nodes that disappeared while no replica led, and creates the default price book if there never was one. Called
    /// once after <see cref="Start"/>.
    /// </summary>
    public async Task SettleAsync(CancellationToken cancellationToken)
    {
        Pods.CloseVanished();
        Nodes.CloseVanished();
        await _books.EnsureDefaultAsync(_everPriced, cancellationToken);
    }

    public void Dispose()
    {
        _nodeWatch.Dispose();
        _bookRunner.Dispose();
    }
}
