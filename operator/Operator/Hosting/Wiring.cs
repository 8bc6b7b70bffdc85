using Bursar.Api;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Text;
using Bursar.Kube.Client;
using Bursar.Kube.Config;
using Bursar.Kube.Events;
using Bursar.Kube.Http;
using Bursar.Kube.Informers;
using Bursar.Kube.Leases;
using Bursar.Kube.Objects;
using Bursar.Kube.Reconcile;
using Bursar.Operator.Admission;
using Bursar.Operator.Billing;
using Bursar.Operator.Budgets;
using Bursar.Operator.Cluster;
using Bursar.Operator.Safety;
using Bursar.Operator.Scaling;
using Bursar.Operator.Scaling.External;
using Bursar.Operator.Scaling.Signals;
using Bursar.Operator.Scaling.Targets;
using Bursar.Operator.Serving;
using Bursar.Operator.Suspension;
using Bursar.Operator.Telemetry;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Hosting;

/// <summary>The operator on one page: every part, what it is made of, and what wakes what.</summary>
public static class Wiring
{
    /// <summary>Runs until cancelled, or until the lease is lost: then the process is to end and start anew.</summary>
    public static async Task RunAsync(OperatorOptions options, KubeConfig config, TimeProvider time, ILoggerFactory logs, ActivityTracker? activity, Action<OperatorParts>? leading, CancellationToken cancellationToken)
    {
        LeaderElector? elector = null;
        using var client = new KubeClient(config, new()
        {
            TimeProvider = time,
            LoggerFactory = logs,
            ActivityTracker = activity,
            // Which replica asked, for the API server's audit log.
            UserAgent = $"bursar/{typeof(Wiring).Assembly.GetName().Version?.ToString(3)} ({options.Identity})",
            Random = new(options.Seed),
            // Between losing the lease and noticing it nothing may be written.
            WriteFence = options.LeaderElect ? () => elector?.MayWrite == true : null,
        });
        var stores = new ClusterStores(client, options.Namespace, options.Kinds, options.Owners, options.Gpus);
        var departed = new DepartedPods(stores, time);
        using var metrics = new OperatorMetrics(time, config.Server);
        // Ready: the caches are the cluster's, and whoever leads has its ledger.
        await using var listener = await OperatorListener.StartAsync(options.MetricsAddress, metrics, () => stores.HasSynced && (metrics.Leads || elector is { MayWrite: false }), logs, cancellationToken);
        logs.CreateLogger("bursar").LogListening("metrics", listener.Address);
        // Every replica answers the API server's questions; the leader alone acts.
        var board = new BudgetBoard();
        var admission = new AdmissionController(stores, () => stores.HasSynced, board, options.Namespace, time, logs.CreateLogger<AdmissionController>());
        var host = options.WebhookUrl is { } url ? url.Host.Trim('[', ']') : $"{WebhookKeeper.ServiceName}.{options.Namespace}.svc";
        var certificate = new WebhookCertificate(client, options.Namespace, [host], time, logs.CreateLogger<WebhookCertificate>());
        await using var webhook = options.WebhookAddress is { } address ? await AdmissionEndpoint.StartAsync(address, () => certificate.Current, admission.Review, logs, cancellationToken) : null;
        if (webhook is not null) logs.CreateLogger("bursar").LogListening("webhook", webhook.Address);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var caches = stores.RunAsync(ending.Token);
        var certified = webhook is null ? Task.CompletedTask : ActivityTracker.Run(activity, "a loop", () => certificate.RunAsync(ending.Token));
        try
        {
            if (options.LeaderElect)
            {
                elector = new(client, new() { Namespace = options.Namespace, Name = "bursar", Identity = options.Identity, Random = new(options.Seed) });
                await elector.RunAsLeaderAsync(token => LeadAsync(options, client, stores, departed, metrics, board, time, logs, leading, token), cancellationToken);
            }
            else
            {
                await LeadAsync(options, client, stores, departed, metrics, board, time, logs, leading, cancellationToken);
            }
        }
        finally
        {
            await ending.CancelAsync();
            await Task.WhenAll(caches, certified).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static async Task LeadAsync(OperatorOptions options, KubeClient client, ClusterStores stores, DepartedPods departed, OperatorMetrics metrics, BudgetBoard board, TimeProvider time, ILoggerFactory logs, Action<OperatorParts>? leading, CancellationToken cancellationToken)
    {
        await stores.HasSyncedAsync(cancellationToken);
        // For virtual time this is under way until the loops are.
        using var taking = client.ActivityTracker?.Start("taking the lead");

        // What is remembered, and what things cost.
        var store = new LedgerStore(client, options.Namespace, time, logs.CreateLogger<LedgerStore>());
        var ledger = await store.LoadAsync(cancellationToken);
        ledger.Install(time.GetUtcNow());
        var progress = new ProgressBoard();
        var everPriced = ledger.HasPrices;
        var prices = new PriceList(stores, ledger, time);
        prices.Refresh();

        // What holds it back.
        var brake = new ClusterBrake(new ParkableCount(stores, time).Read);
        brake.Restore(
            ledger.Parked().Where(record => ParkedCause.Read(record).ByForecast).Select(record => record.Since),
            stores.Budgets.Store.List().Max(budget => BudgetMemoryJson.Read(ledger.BudgetMemory(budget.Metadata.Uid)).BrakedAt));
        // Before anything asks which budget selects what.
        foreach (var budget in stores.Budgets.Store.List()) SpecRefusal.Restore(budget, BudgetMemoryJson.Read(ledger.BudgetMemory(budget.Metadata.Uid)));
        var control = new ControlSwitch(brake);
        var pacer = new WritePacer(time);

        // What it sees.
        var nodes = new NodeMeter(stores, ledger, client, prices, time);
        using var nodeWatch = new NodeWatch(stores, nodes, client);
        var pods = new PodMeter(stores, ledger, progress, time, departed);
        var certificates = new CertificateKeeper(client, options.Namespace, options.AgentNamespace, time, logs.CreateLogger<CertificateKeeper>());
        var checkpoints = new CheckpointBoard();
        var agents = new AgentCollector(stores, ledger, progress, certificates, metrics, options.AgentNamespace, new Random(options.Seed), time, client.ActivityTracker, logs.CreateLogger<AgentCollector>(), checkpoints);
        using var exporters = new ExporterReader(options.Exporters, stores, ledger, metrics, options.AgentNamespace, time, client.ActivityTracker, logs.CreateLogger<ExporterReader>());
        var sources = new MeteringSources(agents, exporters, time);
        var scalerBoard = new ScalerBoard();
        var observer = new BudgetObserver(stores, ledger, prices, nodes, progress, agents.CheckpointAt, control, brake, time, sources, scalerBoard, () => store.Fault);

        // What it does.
        var recorder = new EventRecorder(client, new() { ReportingInstance = options.Identity });
        var events = new BudgetEvents(recorder);
        var echoes = new EchoGuard(stores, time);
        var workloads = new WorkloadActor(client);
        var held = new HeldWorkActor(client, stores, ledger, workloads, echoes, logs.CreateLogger<HeldWorkActor>());
        var makers = new MakerKeeper(stores, ledger, new MakerActor(client), events, logs.CreateLogger<MakerKeeper>());
        var actor = new BudgetActor(stores, ledger, store, workloads, makers, echoes, events, brake, control, checkpoints, logs.CreateLogger<BudgetActor>());
        var budgets = new BudgetController(client, stores, ledger, observer, actor, events, echoes, new WindowKeeper(ledger, options.LedgerSumDays), held, progress, checkpoints, brake, pacer, time, logs.CreateLogger<BudgetController>());
        var books = new PriceBookController(client, stores, ledger, prices, recorder, time);
        var orphans = new OrphanReleaser(stores, ledger, actor, new LostSuspension(stores, ledger, store, workloads, events, time, logs.CreateLogger<LostSuspension>()), control, client, logs.CreateLogger<OrphanReleaser>());
        var compactor = new LedgerCompactor(stores, ledger, client, options.LedgerDetailDays, options.LedgerSumDays, logs.CreateLogger<LedgerCompactor>());
        var webhook = new WebhookKeeper(client, () => certificates.Trust?.RootsPem, options.WebhookUrl, time, logs.CreateLogger<WebhookKeeper>());
        // What scales.
        using var promSources = new PrometheusSources(options.PrometheusSources, time, logs.CreateLogger<PrometheusSources>());
        var prometheus = new PrometheusPoller(promSources.QueryAsync, time, client.ActivityTracker);
        var signals = new SignalBoard(uid => stores.Pods.Store.GetByUid(uid)?.Spec.NodeName, time);
        var meter = new TriggerMeter(signals, prometheus, () => promSources.Names, time);
        var targets = new ScaleTargets(stores);
        var scaleActor = new ScaleActor(client, stores, ledger, store);
        ScalerLoop? loop = null;
        var scalerObserver = new ScalerObserver(stores, prices, observer, meter, control, time);
        var guests = new KedaGuests(stores, targets, scalerObserver, control, time) { LastOf = key => loop?.LastOf(key) };
        var scalers = loop = new ScalerLoop(client, stores, ledger, targets, scalerObserver, meter, prometheus, scaleActor, new ScalerEvents(recorder), scalerBoard, guests,
            control, pacer, metrics, time, logs.CreateLogger<ScalerLoop>());
        var scaledReleaser = new ScaledReleaser(ledger, scaleActor, scalers.Holds, control, client, logs.CreateLogger<ScaledReleaser>());
        var flusher = new LedgerFlusher(ledger, store, client, logs.CreateLogger<LedgerFlusher>());

        using var budgetRunner = new ControllerRunner<V1Alpha1GpuBudget>(client, stores.Budgets, new TimedController<V1Alpha1GpuBudget>(budgets, metrics, time), new() { Workers = 2, Concerns = (before, now) => before.Metadata.Generation != now.Metadata.Generation || before.Metadata.Annotations.GetValueOrDefault(BursarAnnotations.Released) != now.Metadata.Annotations.GetValueOrDefault(BursarAnnotations.Released) });
        using var bookRunner = new ControllerRunner<V1Alpha1GpuPriceBook>(client, stores.PriceBooks, new TimedController<V1Alpha1GpuPriceBook>(books, metrics, time), new() { Concerns = PriceBookController.Concerns });

        var admissions = new AdmissionBoard(control);
        using var checkRunner = stores.AdmissionChecks is { } checks ? new ControllerRunner<V1AdmissionCheck>(client, checks, new AdmissionCheckController(client, time)) : null;
        using var admissionRunner = stores.AdmissionChecks is null ? null
            : new ControllerRunner<V1Workload>(client, stores.KueueWorkloads, new WorkloadAdmissionController(client, stores, admissions, time, logs.CreateLogger<WorkloadAdmissionController>()));

        var annotations = new AnnotationEvents(recorder, stores.Gpus);

        // What wakes what.
        void WakeNamespace(string ns)
        {
            foreach (var budget in stores.Budgets.Store.ByIndex(Indexes.Namespace, ns)) budgetRunner.Enqueue(ObjectKey.Of(budget));
        }
        void WakeAll()
        {
            foreach (var budget in stores.Budgets.Store.List()) budgetRunner.Enqueue(ObjectKey.Of(budget));
        }
        void SeeWork(Work work)
        {
            // It may be the link that pods waited for.
            pods.ObserveOwner(work.Namespace);
            held.See(work);
            if (!work.HasGpus) return;
            annotations.Observe(work);
            // A TrainJob's annotations also stand on its JobSet.
            if (work.Metadata.ControllerReference() is { Kind: "TrainJob" } above && stores.Of(above)?.Get(work.Namespace, above.Name, above.Uid) is { } whole) annotations.Observe(whole);
            // The last words of a run that is being stopped come late, or are seen late: the steps would seem as slow as the wait was long.
            if ((!work.Kind.Scales || work.Class == WorkClass.Training) && !work.IsStopped && BursarAnnotations.ReadProgress(work.Metadata, work.Template) is { } report)
                progress.Report(work.Metadata.Uid, new ProgressPoint(time.GetUtcNow(), report.Step, report.Total));
            WakeNamespace(work.Namespace);
        }
        void SeeRuns(V1CronJob cronJob)
        {
            var jobs = stores.Of("Job")!;
            foreach (var run in jobs.OwnedBy(cronJob.Metadata.Uid))
                if (jobs.Get(cronJob.Metadata.Namespace ?? "", run.Name, run.Uid) is { } work) SeeWork(work);
        }
        budgets.Decided += scalerBoard.Note;
        budgets.Forgotten += scalerBoard.Forget;
        scalerBoard.RoomChanged += scalers.WakeIfScaled;
        agents.IsScaled = scalers.IsScaled;
        scalers.PodsChanged += agents.ScaledChanged;
        agents.Signalled += signals.Take;
        signals.Changed += scalers.WakeFor;
        prometheus.Changed += scalers.WakeScalers;
        control.Changed += () =>
        {
            foreach (var scaler in stores.Scalers.Store.List()) scalers.Wake(scaler.Metadata.Namespace ?? "");
        };
        budgets.Decided += (budget, decision) => metrics.Record(budget.Metadata.Namespace ?? "", budget.Metadata.Name, decision);
        budgets.Decided += (budget, decision) =>
        {
            admissions.Note(budget, decision);
            foreach (var workload in stores.KueueWorkloads.Store.ByIndex(Indexes.Namespace, budget.Metadata.Namespace ?? ""))
                if (WorkloadAdmissionController.Asked(workload, stores) >= 0) admissionRunner?.Enqueue(ObjectKey.Of(workload));
        };
        budgets.Forgotten += admissions.Forget;
        budgets.Forgotten += budget => metrics.Forget(budget.Metadata.Namespace ?? "", budget.Metadata.Name);
        budgets.Refused += budget => metrics.Forget(budget.Metadata.Namespace ?? "", budget.Metadata.Name);
        budgets.Decided += board.Note;
        budgets.Forgotten += board.Forget;
        board.Lead(observer.PriceOfNew);
        metrics.Attach(ledger, ns => [.. stores.Budgets.Store.ByIndex(Indexes.Namespace, ns).SelectMany(b => GpuBudgetReader.TryReadSelector(b, out var s) ? [s] : Array.Empty<LabelSelector>())], () => prices.Currency);
        metrics.Watch(() => agents.GpuNodes.Select(sources.Of), () => prices.Untrusted.Count);
        metrics.WatchInvalid(() => InvalidObjects.In(stores));
        var unreadable = new UnreadableObjects(stores, recorder);
        metrics.WatchUnreadable(unreadable.Counts);
        budgets.Decided += unreadable.Report;
        unreadable.Start();
        metrics.WatchLedger(() => store.Fault);
        metrics.Leads = true;
        control.Changed += WakeAll;
        agents.Progressed += WakeNamespace;
        agents.Named += nodes.ObserveName;
        agents.Counted += pods.ObserveJournalOf;
        exporters.Named += nodes.ObserveName;
        books.Changed += WakeAll;
        prices.TrustChanged += () =>
        {
            foreach (var book in stores.PriceBooks.Store.List()) bookRunner.Enqueue(ObjectKey.Of(book));
            WakeAll();
        };
        nodes.DevicesTold += pods.ObserveOn;
        stores.Gpus.DevicesChanged += node =>
        {
            nodeWatch.Look(node);
            pods.ObserveOn(node);
        };
        stores.Gpus.ClaimChanged += pods.ObserveClaim;
        pods.Changed += workload => WakeNamespace(workload.Namespace);
        var series = new SeriesKeeper(ledger, progress);
        stores.Control.AddHandler(new() { Added = control.Read, Updated = (_, map) => control.Read(map), Deleted = _ => control.Read(null) });
        nodeWatch.Start();
        stores.Scalers.AddHandler(Waking<V1Alpha1InferenceScaler>(ns => { scalers.Wake(ns); WakeNamespace(ns); }));
        stores.Rollouts.AddHandler(Waking<V1Alpha1Rollout>(scalers.WakeIfScaled));
        stores.DynamoAdapters.AddHandler(Waking<V1Alpha1DynamoScalingAdapter>(scalers.WakeIfScaled));
        stores.ScaledObjects.AddHandler(Waking<V1ScaledObject>(scalers.WakeIfScaled));
        stores.HorizontalPodAutoscalers.AddHandler(Waking<V1HorizontalPodAutoscaler>(scalers.WakeIfScaled));
        stores.Pods.AddHandler(Waking<V1Pod>(scalers.WakeIfScaled));
        stores.Pods.AddHandler(new() { Added = pods.Observe, Updated = (_, pod) => pods.Observe(pod), Deleted = pods.ObserveGone, DeletedUnseen = pods.ObserveGoneUnseen });
        stores.Pods.AddHandler(new() { Added = annotations.Observe, Updated = (_, pod) => annotations.Observe(pod), Deleted = pod => annotations.Forget(pod.Metadata.Uid) });
        stores.ReplicaSets.AddHandler(new() { Added = set => pods.ObserveOwner(set.Metadata.Namespace ?? "") });
        stores.RayClusters.AddHandler(new() { Added = cluster => pods.ObserveOwner(cluster.Metadata.Namespace ?? "") });
        // Its status changes with each run. Its runs depend on its annotations alone.
        stores.CronJobs.AddHandler(new() { Added = SeeRuns, Updated = (before, now) => { if (!before.Metadata.Annotations.OrderBy(pair => pair.Key, StringComparer.Ordinal).SequenceEqual(now.Metadata.Annotations.OrderBy(pair => pair.Key, StringComparer.Ordinal))) SeeRuns(now); } });
        stores.KueueWorkloads.AddHandler(Waking<V1Workload>(WakeNamespace));
        stores.OldKueueWorkloads.AddHandler(Waking<V1Beta1Workload>(WakeNamespace));
        stores.ScaledObjects.AddHandler(Waking<V1ScaledObject>(WakeNamespace));
        foreach (var kind in stores.Kinds) kind.Watch(work => { series.Observe(work); SeeWork(work); scalers.WakeIfScaled(work.Namespace); }, gone => { progress.Forget(gone.Metadata.Uid); annotations.Forget(gone.Metadata.Uid); held.Forget(gone); WakeNamespace(gone.Namespace); scalers.WakeIfScaled(gone.Namespace); });
        await using var external = options.ExternalScalerAddress is { } door ? await ExternalScalerEndpoint.StartAsync(door, guests.Answer, logs, cancellationToken) : null;
        if (external is not null)
        {
            logs.CreateLogger("bursar").LogListening("external-scaler", external.Address);
            guests.Came += scalers.Wake;
            scalers.Decided += external.Wake;
        }
        pods.CloseVanished();
        nodes.CloseVanished();
        await books.EnsureDefaultAsync(everPriced, cancellationToken);
        leading?.Invoke(new(client, stores, ledger, progress, prices, nodes, budgets, control, brake, WakeNamespace));
        try
        {
            List<Func<CancellationToken, Task>> loops = [recorder.RunAsync, nodeWatch.RunAsync, flusher.RunAsync, compactor.RunAsync, orphans.RunAsync, held.RunAsync, certificates.RunAsync, agents.RunAsync, exporters.RunAsync, bookRunner.RunAsync, budgetRunner.RunAsync, prometheus.RunAsync, scalers.RunAsync, scalers.TickAsync, scaledReleaser.RunAsync];
            if (checkRunner is not null && admissionRunner is not null) loops.AddRange([checkRunner.RunAsync, admissionRunner.RunAsync]);
            if (options.WebhookAddress is not null) loops.Add(webhook.RunAsync);
            var running = TaskGroup.RunAsync(client.ActivityTracker, cancellationToken, loops);
            taking?.Dispose();
            await running;
        }
        finally
        {
            metrics.Detach();
        }
    }

    /// <summary>By whatever a manager of work says.</summary>
    private static InformerHandler<T> Waking<T>(Action<string> wake)
        where T : class, IKubernetesObject =>
        new() { Added = obj => wake(obj.Metadata.Namespace ?? ""), Updated = (_, obj) => wake(obj.Metadata.Namespace ?? ""), Deleted = obj => wake(obj.Metadata.Namespace ?? "") };
}

internal static partial class WiringLog
{
    [LoggerMessage(Level = LogLevel.Information, Message = "Listening: door={door} address={address}")]
    public static partial void LogListening(this ILogger logger, string door, string address);
}

/// <summary>The parts of a leading operator that others may look at: metrics, agents, the demo.</summary>
public sealed record OperatorParts(
    KubeClient Client, ClusterStores Stores, GpuLedger Ledger, ProgressBoard Progress, PriceList Prices, NodeMeter Nodes, BudgetController Budgets, ControlSwitch Control, ClusterBrake Brake, Action<string> WakeNamespace);
