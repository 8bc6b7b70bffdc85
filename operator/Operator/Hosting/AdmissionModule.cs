using Bursar.Core.Decisions;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Kubernetes.Reconcile;
using Bursar.Operator.Admission;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Hosting;

/// <summary>The leader's part of admission: Kueue's AdmissionCheck and the configuration of the webhook.</summary>
internal sealed class AdmissionModule : IDisposable
{
    private readonly LeaderContext _context;
    private readonly WebhookController _webhook;
    private readonly ControllerRunner<V1AdmissionCheck>? _checks;
    private readonly ControllerRunner<V1Workload>? _workloads;

    public AdmissionModule(
        LeaderContext context,
        AdmissionController admission,
        SafetyModule safety,
        TelemetryModule telemetry,
        BillingModule billing
    )
    {
        _context = context;
        var (client, stores) = (context.Client, context.Stores);
        _webhook = new(
            client,
            context.Options.WebhookName,
            () => telemetry.Certificates.Trust?.RootsPem,
            context.Options.WebhookUrl,
            context.Time,
            context.Logger<WebhookController>()
        );
        admission.Lead(work => billing.Rates.HighestOf(work.PodSets));
        if (stores.AdmissionChecks is not { } checks)
            return;
        _checks = new(client, checks, new AdmissionCheckController(client, context.Time));
        _workloads = new(
            client,
            stores.KueueWorkloads,
            new WorkloadAdmissionController(
                client,
                stores,
                context.Decisions,
                safety.Control,
                context.Time,
                context.Logger<WorkloadAdmissionController>()
            )
        );
        context.Decisions.Recorded += (budget, _, decision) =>
        {
            // There may be many limits inside a budget, each with few workloads.
            if (
                budget.PartOf is not null
                && decision.Workloads.All(one => one.State is not (WorkloadState.Pending or WorkloadState.Running))
            )
                return;
            foreach (var ns in stores.Coverage.NamespacesOf(budget))
            foreach (var workload in stores.KueueWorkloads.Store.ByIndex(Indexes.Namespace, ns))
                if (WorkloadAdmissionController.Reviewed(workload, stores) >= 0)
                    _workloads.Enqueue(ObjectKey.From(workload));
        };
    }

    public IEnumerable<Func<CancellationToken, Task>> Loops =>
        [
            .. _checks is null || _workloads is null ? [] : (Func<CancellationToken, Task>[])[_checks.RunAsync, _workloads.RunAsync],
            .. _context.Options.WebhookAddress is null ? [] : (Func<CancellationToken, Task>[])[_webhook.RunAsync],
        ];

    public void Dispose()
    {
        _checks?.Dispose();
        _workloads?.Dispose();
    }
}
