using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Text;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Kubernetes.Reconcile;
using Bursar.Operator.Budgets;
using Bursar.Operator.Cluster;
using Bursar.Operator.Http;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Hosting;

/// <summary>The budget controller and the events that enqueue budgets.</summary>
internal sealed class BudgetsModule : IDisposable
{
    /// <summary>Changes within this time are evaluated together, because a ClusterGpuBudget may cover thousands of workloads.</summary>
    private static readonly TimeSpan Gathering = TimeSpan.FromMilliseconds(500);

    private readonly LeaderContext _context;
    private readonly TelemetryModule _telemetry;
    private readonly BillingModule _billing;
    private readonly ControllerRunner<V1Alpha1GpuBudget> _runner;
    private readonly ControllerRunner<V1Alpha1ClusterGpuBudget> _clusterRunner;
    private readonly ControllerRunner<V1Alpha1GpuBudgetRequest> _requestRunner;
    private readonly AnnotationEvents _annotations;
    private readonly UnreadableObjects _unreadable;
    private readonly GatedWorkloadActor _gated;
    private readonly OrphanReleaser _orphans;
    private readonly CostAnnotator _costs;
    private readonly AdviceTracker _advice;

    public BudgetsModule(LeaderContext context, SafetyModule safety, TelemetryModule telemetry, BillingModule billing)
    {
        (_context, _telemetry, _billing) = (context, telemetry, billing);
        var (client, stores, ledger, state, store, time) = (
            context.Client,
            context.Stores,
            context.Ledger,
            context.State,
            context.Store,
            context.Time
        );
        Observer = new(
            stores,
            ledger,
            state,
            new WorkloadObserver(stores, ledger, state, billing.Rates, telemetry.Progress, telemetry.Agents.CheckpointAt, Elastic),
            new MeteringObserver(stores, ledger, billing.Prices, billing.Nodes, telemetry.Sources.Get, () => store.Fault),
            new IdleObserver(stores, telemetry.Activity),
            safety.Control,
            context.Decisions,
            time
        );
        _advice = new(ledger, billing.Prices, time);
        var events = new BudgetEvents(context.Recorder);
        var expectations = new Expectations(stores, time);
        var workloads = new WorkloadActor(client);
        _gated = new(client, stores, state, workloads, expectations, context.Decisions.Get, context.Logger<GatedWorkloadActor>());
        var restorer = new FieldRestorer(client);
        var cronJobs = new CronJobSuspender(client, stores, state, restorer, events, context.Logger<CronJobSuspender>());
        var actor = new BudgetActor(
            stores,
            store,
            new Suspender(store, workloads, restorer, cronJobs, expectations, context.Logger<Suspender>()),
            new CheckpointActor(stores, workloads, telemetry.Checkpoints, events, context.Logger<CheckpointActor>()),
            events,
            safety.Control,
            time
        );
        var requests = new RequestObserver(stores, state);
        var requestReporter = new RequestReporter(client, stores, store, context.Recorder, safety.RateLimiter);
        var recorder = new BudgetRecorder(
            stores,
            ledger,
            state,
            telemetry.Progress,
            safety.Control,
            requests,
            context.Options.LedgerSumDays,
            time
        );
        foreach (var budget in stores.Coverage.All)
            recorder.SetCuts(budget);
        Reconciler = new(
            Observer,
            new LabelLimits(stores, ledger, state, context.Decisions, time),
            recorder,
            new SpendingRecorder(ledger, state, time),
            new LoanObserver(stores, state, context.Decisions),
            actor,
            new BudgetReporter(client, store, events, safety.RateLimiter, _advice, context.Logger<BudgetReporter>()),
            requestReporter,
            _gated,
            context.Decisions,
            expectations,
            stores,
            time
        );
        _runner = Run(context, stores.Budgets, workers: 2);
        _clusterRunner = Run(context, stores.ClusterBudgets, workers: 1);
        _requestRunner = new(
            client,
            stores.Requests,
            new TimedController<V1Alpha1GpuBudgetRequest>(
                new RequestController(requests, requestReporter, Enqueue),
                context.Metrics,
                context.Time
            ),
            new() { Concerns = RequestController.Concerns }
        );
        _orphans = new(
            stores,
            state,
            actor,
            new LostSuspension(stores, store, workloads, restorer, events, time, context.Logger<LostSuspension>()),
            safety.Control,
            client,
            context.Logger<OrphanReleaser>()
        );
        _costs = new(stores, context.Decisions, client, safety.RateLimiter, safety.Control, context.Logger<CostAnnotator>());
        _annotations = new(context.Recorder, stores.Gpus);
        _unreadable = new(stores, context.Recorder);

        context.Decisions.Recorded += (_, before, decision) => context.Metrics.Decided(before, decision);
        context.Decisions.Recorded += (budget, _, decision) => _unreadable.Report(budget, decision);
        context.Decisions.Recorded += WakeOthers;
        context.Decisions.Recorded += WakeLenders;
        context.Metrics.WatchBudgets(() =>
            context
                .Decisions.All.Where(one => BudgetObject.LimitIn(one.Budget.Name) is null)
                .Select(one =>
                    (one.Budget.Namespace is { Length: > 0 } ns ? ns : OperatorMetrics.AllNamespaces, one.Budget.Name, one.Decision)
                )
        );
        context.Metrics.WatchLimits(() =>
            context
                .Decisions.All.Where(one => BudgetObject.LimitIn(one.Budget.Name) is not null)
                .Select(one =>
                    (
                        one.Budget.Namespace is { Length: > 0 } ns ? ns : OperatorMetrics.AllNamespaces,
                        BudgetObject.WithoutLimit(one.Budget.Name),
                        BudgetObject.LimitIn(one.Budget.Name)!,
                        one.Decision
                    )
                )
        );
        safety.Control.Changed += WakeAll;
        telemetry.Agents.Progressed += Wake;
        billing.PricesChanged += WakeAll;
        billing.Pods.Changed += workload => Wake(workload.Namespace);
        context.Metrics.WatchInvalid(() => InvalidObjects.In(stores));
        context.Metrics.WatchUnreadable(_unreadable.Counts);
        context.Metrics.Attach(
            ledger,
            ns =>
                [
                    .. stores
                        .Coverage.In(ns)
                        .SelectMany(budget =>
                            GpuBudgetReader.TryReadSelector(budget, out var selector) ? [selector] : Array.Empty<LabelSelector>()
                        ),
                ],
            () => billing.Prices.Currency
        );
    }

    public BudgetObserver Observer { get; }

    public BudgetReconciler Reconciler { get; }

    public ElasticTargets Elastic { get; } = new();

    public IEnumerable<Func<CancellationToken, Task>> Loops =>
        [
            _orphans.RunAsync,
            _gated.RunAsync,
            _runner.RunAsync,
            _clusterRunner.RunAsync,
            _requestRunner.RunAsync,
            _costs.RunAsync,
            _advice.RunAsync,
        ];

    public void Start()
    {
        var stores = _context.Stores;
        _unreadable.Start();
        stores.Pods.AddHandler(
            new()
            {
                Added = _annotations.Observe,
                Updated = (_, pod) => _annotations.Observe(pod),
                Deleted = pod =>
                {
                    _annotations.Forget(pod.Metadata.Uid);
                    _telemetry.Activity.Forget(pod.Metadata.Uid);
                },
            }
        );
        // A CronJob's status changes with each run, but only its annotations matter for its runs.
        stores.CronJobs.AddHandler(
            new()
            {
                Added = HandleRuns,
                Updated = (before, now) =>
                {
                    if (!Ordered(before).SequenceEqual(Ordered(now)))
                        HandleRuns(now);
                },
                Deleted = cronJob => _annotations.Forget(cronJob.Metadata.Uid),
            }
        );
        stores.Scalers.AddHandler(InformerHandler<V1Alpha1InferenceScaler>.Any(scaler => Wake(scaler.Metadata.Namespace ?? "")));
        stores.KueueWorkloads.AddHandler(InformerHandler<V1Workload>.Any(workload => Wake(workload.Metadata.Namespace ?? "")));
        stores.OldKueueWorkloads.AddHandler(InformerHandler<V1Beta1Workload>.Any(workload => Wake(workload.Metadata.Namespace ?? "")));
        stores.ScaledObjects.AddHandler(InformerHandler<V1ScaledObject>.Any(scaler => Wake(scaler.Metadata.Namespace ?? "")));
        stores.Budgets.AddHandler(HandlerOfRequests<V1Alpha1GpuBudget>());
        stores.ClusterBudgets.AddHandler(HandlerOfRequests<V1Alpha1ClusterGpuBudget>());
        // The budgets below show the ones above, and share their workloads with them.
        stores.ClusterBudgets.AddHandler(
            new()
            {
                Added = WakeBelow,
                Updated = (before, now) =>
                {
                    if (!Concerns(before, now))
                        return;
                    WakeBelow(before);
                    WakeBelow(now);
                },
                Deleted = WakeBelow,
            }
        );
        // A namespace that appears, disappears or is relabelled changes what ClusterGpuBudgets cover.
        stores.Namespaces.AddHandler(
            new()
            {
                Added = _ => WakeClusterBudgets(),
                Updated = (before, now) =>
                {
                    if (!before.Metadata.Labels.Equals(now.Metadata.Labels))
                        WakeClusterBudgets();
                },
                Deleted = _ => WakeClusterBudgets(),
            }
        );
        foreach (var kind in stores.Kinds)
            kind.Watch(Handle, Forget);
    }

    public void Wake(string ns)
    {
        foreach (var budget in _context.Stores.Coverage.In(ns))
            Enqueue(budget);
    }

    public void Dispose()
    {
        _runner.Dispose();
        _clusterRunner.Dispose();
        _requestRunner.Dispose();
    }

    private ControllerRunner<TBudget> Run<TBudget>(LeaderContext context, Informer<TBudget> budgets, int workers)
        where TBudget : BudgetObject, IKubernetesEntity<TBudget> =>
        new(
            context.Client,
            budgets,
            new TimedController<TBudget>(new BudgetController<TBudget>(Reconciler), context.Metrics, context.Time),
            new() { Workers = workers, Concerns = Concerns }
        );

    private void Enqueue(BudgetObject budget)
    {
        if (budget is V1Alpha1ClusterGpuBudget)
            _clusterRunner.Enqueue(ObjectKey.From(budget.Whole), Gathering);
        else
            _runner.Enqueue(ObjectKey.From(budget.Whole));
    }

    /// <summary>Considers the requests for a budget that appears, disappears, or may have a valid spec now.</summary>
    private InformerHandler<TBudget> HandlerOfRequests<TBudget>()
        where TBudget : BudgetObject, IKubernetesEntity<TBudget>
    {
        void Enqueue(BudgetObject budget)
        {
            foreach (var request in _context.Stores.RequestsFor(budget))
                _requestRunner.Enqueue(ObjectKey.From(request));
        }
        return new()
        {
            Added = Enqueue,
            Updated = (before, now) =>
            {
                if (before.Metadata.Generation != now.Metadata.Generation)
                    Enqueue(now);
            },
            Deleted = Enqueue,
        };
    }

    private static bool Concerns(BudgetObject before, BudgetObject now) =>
        before.Metadata.Generation != now.Metadata.Generation
        || before.Metadata.Annotations.GetValueOrDefault(BursarAnnotations.Released)
            != now.Metadata.Annotations.GetValueOrDefault(BursarAnnotations.Released);

    private static IEnumerable<KeyValuePair<string, string>> Ordered(V1CronJob cronJob) =>
        cronJob.Metadata.Annotations.OrderBy(pair => pair.Key, StringComparer.Ordinal);

    private void WakeBelow(V1Alpha1ClusterGpuBudget budget)
    {
        foreach (var ns in _context.Stores.Coverage.NamespacesOf(budget))
            Wake(ns);
    }

    /// <summary>
    /// Evaluates the other budgets of workloads that a budget covers now, or no longer covers: they resume them, or release what they had
    /// reserved for them.
    /// </summary>
    private void WakeOthers(BudgetObject budget, BudgetDecision? before, BudgetDecision now)
    {
        var changed = (before?.DoesNotCover() ?? []).ToHashSet(StringComparer.Ordinal);
        changed.SymmetricExceptWith(now.DoesNotCover());
        if (changed.Count == 0)
            return;
        var namespaces = now.Workloads.Where(work => changed.Contains(work.Key.Uid)).Select(work => work.Key.Namespace);
        foreach (var ns in namespaces.Distinct(StringComparer.Ordinal))
        foreach (var other in _context.Stores.Coverage.In(ns))
            if (other.Metadata.Uid != budget.Metadata.Uid)
                Enqueue(other);
    }

    /// <summary>Evaluates the budgets whose limit changes, because a budget borrowed from them or returned a part.</summary>
    private void WakeLenders(BudgetObject budget, BudgetDecision? before, BudgetDecision now)
    {
        var uid = budget.Metadata.Uid;
        var changed = (before?.Loans ?? []).ToHashSet();
        changed.SymmetricExceptWith(now.Loans ?? []);
        foreach (var loan in changed)
            if (loan.BorrowerUid == uid && _context.Stores.Coverage.Find(loan.LenderUid) is { } lender)
                Enqueue(lender);
    }

    private void WakeClusterBudgets()
    {
        foreach (var budget in _context.Stores.ClusterBudgets.Store.List())
            Enqueue(budget);
    }

    private void WakeAll()
    {
        foreach (var budget in _context.Stores.Coverage.All)
            Enqueue(budget);
    }

    private void Handle(WorkloadObject work)
    {
        _telemetry.Series.Observe(work);
        // The pods of this workload may have been waiting for it to be in the cache.
        _billing.Pods.ObserveOwner(work.Namespace);
        _gated.Handle(work);
        if (!work.HasGpus)
            return;
        _annotations.Observe(work);
        // A TrainJob's annotations are copied to its JobSet, so report them on the TrainJob too.
        if (
            work.Metadata.ControllerReference() is { Kind: "TrainJob" } above
            && _context.Stores.CacheOf(above)?.Get(work.Namespace, above.Name, above.Uid) is { } whole
        )
            _annotations.Observe(whole);
        // Ignore progress reported during a suspension: it may arrive late, and the waiting time would count as step time.
        if (
            (!work.Kind.Scales || work.Class == WorkloadClass.Training)
            && !work.IsStopped
            && BursarAnnotations.ReadProgress(work.Metadata, work.Template) is { } report
        )
            _telemetry.Progress.Report(work.Metadata.Uid, new ProgressPoint(_context.Time.GetUtcNow(), report.Step, report.Total));
        Wake(work.Namespace);
    }

    private void HandleRuns(V1CronJob cronJob)
    {
        var jobs = _context.Stores.CacheOf("Job")!;
        foreach (var run in jobs.OwnedBy(cronJob.Metadata.Uid))
            if (jobs.Get(cronJob.Metadata.Namespace ?? "", run.Name, run.Uid) is { } work)
                Handle(work);
    }

    private void Forget(WorkloadObject gone)
    {
        _telemetry.Progress.Forget(gone.Metadata.Uid);
        _annotations.Forget(gone.Metadata.Uid);
        _gated.Forget(gone);
        Wake(gone.Namespace);
    }
}
