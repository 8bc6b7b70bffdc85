using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kube.Client;
using Bursar.Kube.Config;
using Bursar.Kube.Events;
using Bursar.Kube.Http;
using Bursar.Kube.Leases;
using Bursar.Operator.Admission;
using Bursar.Operator.Billing;
using Bursar.Operator.Budgets;
using Bursar.Operator.Cluster;
using Bursar.Operator.Safety;
using Bursar.Operator.Serving;
using Bursar.Operator.Suspension;
using Bursar.Operator.Telemetry;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Hosting;

/// <summary>A running operator: what every replica does, and the modules of the one that leads.</summary>
public static partial class Wiring
{
    /// <summary>Runs until cancelled, or until the lease is lost: then the process is to end and start anew.</summary>
    /// <param name="leading">Gets the parts of the operator when it leads.</param>
    public static async Task RunAsync(
        OperatorOptions options,
        KubeConfig config,
        TimeProvider time,
        ILoggerFactory logs,
        ActivityTracker? activity,
        Action<OperatorParts>? leading,
        CancellationToken cancellationToken
    )
    {
        LeaderElector? elector = null;
        using var client = new KubeClient(
            config,
            new()
            {
                TimeProvider = time,
                LoggerFactory = logs,
                ActivityTracker = activity,
                // Which replica asked, for the API server's audit log.
                UserAgent = $"bursar/{typeof(Wiring).Assembly.GetName().Version?.ToString(3)} ({options.Identity})",
                Random = new(options.Seed),
                // Between losing the lease and noticing it nothing may be written.
                WriteFence = options.LeaderElect ? () => elector?.MayWrite == true : null,
            }
        );
        var stores = new ClusterStores(client, options.Namespace, options.Kinds, options.Owners, options.Gpus);
        var departed = new DepartedPods(stores, time);
        using var metrics = new OperatorMetrics(time, config.Server);
        // Ready: the caches are the cluster's, and whoever leads has its ledger.
        await using var listener = await OperatorListener.StartAsync(
            options.MetricsAddress,
            metrics,
            () => stores.HasSynced && (metrics.Leads || elector is { MayWrite: false }),
            logs,
            cancellationToken
        );
        logs.LogListening("metrics", listener.Address);
        // Every replica answers the API server's questions; the leader alone acts.
        var board = new BudgetBoard();
        var admission = new AdmissionController(
            stores,
            () => stores.HasSynced,
            board,
            options.Namespace,
            time,
            logs.CreateLogger<AdmissionController>()
        );
        var host = options.WebhookUrl is { } url ? url.Host.Trim('[', ']') : $"{WebhookKeeper.ServiceName}.{options.Namespace}.svc";
        var certificate = new WebhookCertificate(client, options.Namespace, [host], time, logs.CreateLogger<WebhookCertificate>());
        await using var webhook = options.WebhookAddress is { } address
            ? await AdmissionEndpoint.StartAsync(address, () => certificate.Current, admission.Review, logs, cancellationToken)
            : null;
        if (webhook is not null)
            logs.LogListening("webhook", webhook.Address);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var caches = stores.RunAsync(ending.Token);
        var certified = webhook is null
            ? Task.CompletedTask
            : ActivityTracker.Run(activity, "a loop", () => certificate.RunAsync(ending.Token));
        try
        {
            if (options.LeaderElect)
                elector = new(
                    client,
                    new()
                    {
                        Namespace = options.Namespace,
                        Name = "bursar",
                        Identity = options.Identity,
                        Random = new(options.Seed),
                    }
                );
            Task Lead(CancellationToken token) => LeadAsync(options, client, stores, departed, metrics, board, logs, leading, token);
            await (elector is null ? Lead(cancellationToken) : elector.RunAsLeaderAsync(Lead, cancellationToken));
        }
        finally
        {
            await ending.CancelAsync();
            await Task.WhenAll(caches, certified).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static async Task LeadAsync(
        OperatorOptions options,
        KubeClient client,
        ClusterStores stores,
        DepartedPods departed,
        OperatorMetrics metrics,
        BudgetBoard board,
        ILoggerFactory logs,
        Action<OperatorParts>? leading,
        CancellationToken cancellationToken
    )
    {
        await stores.HasSyncedAsync(cancellationToken);
        // For virtual time this is under way until the loops are.
        using var taking = client.ActivityTracker?.Start("taking the lead");
        var store = new LedgerStore(client, options.Namespace, client.TimeProvider, logs.CreateLogger<LedgerStore>());
        var (ledger, state) = await store.LoadAsync(cancellationToken);
        ledger.Install(client.TimeProvider.GetUtcNow());
        // Before anything asks which budget selects what.
        foreach (var budget in stores.Budgets.Store.List())
            SpecRefusal.Restore(budget, state.BudgetMemory(budget.Metadata.Uid));

        var context = new LeaderContext(
            options,
            client,
            stores,
            ledger,
            state,
            store,
            metrics,
            new EventRecorder(client, new() { ReportingInstance = options.Identity }),
            logs
        );
        var safety = new SafetyModule(context);
        using var telemetry = new TelemetryModule(context);
        using var billing = new BillingModule(context, telemetry, departed);
        using var budgets = new BudgetsModule(context, safety, telemetry, billing);
        await using var scaling = new ScalingModule(context, safety, telemetry, billing, budgets);
        using var leaderAdmission = new AdmissionModule(context, board, safety, telemetry, budgets);
        metrics.Leads = true;
        try
        {
            billing.Start();
            budgets.Start();
            await scaling.StartAsync(cancellationToken);
            await billing.SettleAsync(cancellationToken);
            leading?.Invoke(
                new(
                    client,
                    stores,
                    ledger,
                    state,
                    telemetry.Progress,
                    billing.Prices,
                    billing.Nodes,
                    budgets.Controller,
                    safety.Control,
                    safety.Brake,
                    budgets.Wake
                )
            );
            var running = TaskGroup.RunAsync(
                client.ActivityTracker,
                cancellationToken,
                [
                    context.Recorder.RunAsync,
                    .. telemetry.Loops,
                    .. billing.Loops,
                    .. budgets.Loops,
                    .. scaling.Loops,
                    .. leaderAdmission.Loops,
                ]
            );
            taking?.Dispose();
            await running;
        }
        finally
        {
            metrics.Detach();
        }
    }

    internal static void LogListening(this ILoggerFactory logs, string door, string address) =>
        LogListening(logs.CreateLogger("bursar"), door, address);

    [LoggerMessage(Level = LogLevel.Information, Message = "Listening: door={door} address={address}")]
    private static partial void LogListening(ILogger logger, string door, string address);
}

/// <summary>Parts of a leading operator, for tests and benchmarks.</summary>
public sealed record OperatorParts(
    KubeClient Client,
    ClusterStores Stores,
    GpuLedger Ledger,
    OperatorState State,
    ProgressBoard Progress,
    PriceList Prices,
    NodeMeter Nodes,
    BudgetController Budgets,
    ControlSwitch Control,
    ClusterBrake Brake,
    Action<string> WakeNamespace
);
