using Bursar.Api;
using Bursar.Concurrency;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Events;
using Bursar.Kubernetes.Leases;
using Bursar.Operator.Admission;
using Bursar.Operator.Billing;
using Bursar.Operator.Budgets;
using Bursar.Operator.Cluster;
using Bursar.Operator.Http;
using Bursar.Operator.Safety;
using Bursar.Operator.Suspension;
using Bursar.Operator.Telemetry;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Hosting;

/// <summary>
/// Waits for the lease and runs the modules while this replica leads. The modules are created only then, because they read the ledger that
/// the previous leader stored.
/// </summary>
internal sealed class Leader(
    OperatorOptions options,
    KubeClient client,
    ClusterStores stores,
    OperatorMetrics metrics,
    DecisionStore decisions,
    AdmissionController admission,
    LeaderElector? elector,
    ILoggerFactory logs,
    Action<OperatorParts>? leading
)
{
    private readonly DeletedPodTracker _deletedPods = new(stores, client.TimeProvider);

    /// <param name="cancellationToken">Stops the modules, then releases the lease.</param>
    public Task RunAsync(CancellationToken cancellationToken) =>
        elector is null ? LeadAsync(cancellationToken) : elector.RunAsLeaderAsync(LeadAsync, cancellationToken);

    private async Task LeadAsync(CancellationToken cancellationToken)
    {
        await stores.HasSyncedAsync(cancellationToken);
        await TaskGroup.Start(client.TimeProvider, "leading", () => RunModulesAsync(cancellationToken));
    }

    private async Task RunModulesAsync(CancellationToken cancellationToken)
    {
        var store = new LedgerStore(client, options.Namespace, client.TimeProvider, logs.CreateLogger<LedgerStore>());
        await store.LoadAsync(cancellationToken);
        var (ledger, state) = (store.Ledger, store.State);
        ledger.Install(client.TimeProvider.GetUtcNow());
        // Before the first evaluation of a budget's selector.
        foreach (var budget in stores.Budgets.Store.List())
            SpecRefusal.Restore(budget, state.BudgetMemory(budget.Metadata.Uid));

        var context = new LeaderContext(
            options,
            client,
            stores,
            store,
            metrics,
            decisions,
            new EventRecorder(client, new() { ReportingInstance = options.Identity }),
            logs
        );
        var safety = new SafetyModule(context);
        using var telemetry = new TelemetryModule(context);
        using var billing = new BillingModule(context, telemetry, _deletedPods);
        using var budgets = new BudgetsModule(context, safety, telemetry, billing);
        await using var scaling = new ScalingModule(context, safety, telemetry, billing, budgets);
        using var admissions = new AdmissionModule(context, admission, safety, telemetry, billing);
        metrics.Leads = true;
        try
        {
            billing.Start();
            budgets.Start();
            await scaling.StartAsync(cancellationToken);
            await billing.SettleAsync(cancellationToken);
            leading?.Invoke(new(client, stores, ledger, state, decisions, budgets.Observer, budgets.Wake));
            await TaskGroup.RunAsync(
                client.TimeProvider,
                cancellationToken,
                [context.Recorder.RunAsync, .. telemetry.Loops, .. billing.Loops, .. budgets.Loops, .. scaling.Loops, .. admissions.Loops]
            );
        }
        finally
        {
            metrics.Detach();
        }
    }
}

/// <summary>Parts of a leading operator, for tests and benchmarks.</summary>
internal sealed record OperatorParts(
    KubeClient Client,
    ClusterStores Stores,
    GpuLedger Ledger,
    OperatorState State,
    DecisionStore Decisions,
    BudgetObserver Observer,
    Action<string> WakeNamespace
);
