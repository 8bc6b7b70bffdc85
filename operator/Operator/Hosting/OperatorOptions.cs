using Bursar.Core.Prices;
using Bursar.Operator.Telemetry;

namespace Bursar.Operator.Hosting;

/// <summary>Options of the operator. The command line and <c>BURSAR_&lt;NAME&gt;</c> set them (<see cref="OptionSources"/>).</summary>
internal sealed record OperatorOptions
{
    /// <summary>Bursar's own namespace: the ledger, the lease, the switch.</summary>
    public string Namespace { get; init; } = "bursar-system";

    /// <summary>Where the agents run; of their own, because they need privileged pod security.</summary>
    public string AgentNamespace { get; init; } = "bursar-agents";

    /// <summary>Which pods are dcgm-exporters, to be read on nodes that have no agent.</summary>
    public ExporterSelection Exporters { get; init; } = ExporterSelection.None;

    /// <summary>
    /// Names of the kinds of work that it may stop, as it has rights to; null for all that Bursar knows. Others are reported as not
    /// suspendable.
    /// </summary>
    public IReadOnlyCollection<string>? Kinds { get; init; }

    /// <summary>
    /// Names of the managers (<see cref="Cluster.ManagerAdapters.Names"/>) through whose objects it may stop work, as it has rights to; null for
    /// all. Work of others is reported as not suspendable.
    /// </summary>
    public IReadOnlyCollection<string>? Managers { get; init; }

    /// <summary>Which resources, drivers and DeviceClasses are GPUs.</summary>
    public GpuResources Gpus { get; init; } = GpuResources.BuiltIn;

    /// <summary>Wait for the lease before acting, as two replicas need it.</summary>
    public bool LeaderElect { get; init; }

    /// <summary>This process among the replicas.</summary>
    public string Identity { get; init; } = "bursar";

    /// <summary>host:port of metrics and health; port 0 is any free one.</summary>
    public string MetricsAddress { get; init; } = "127.0.0.1:8080";

    /// <summary>host:port of the admission webhook, over HTTPS; port 0 is any free one, null is none.</summary>
    public string? WebhookAddress { get; init; }

    /// <summary>Where API servers find the webhook, for an operator outside their cluster; null is its Service.</summary>
    public Uri? WebhookUrl { get; init; }

    /// <summary>host:port of KEDA's external scaler, over HTTP/2 in clear text; port 0 is any free one, null is none.</summary>
    public string? ExternalScalerAddress { get; init; }

    /// <summary>
    /// The list of Prometheus servers that triggers may ask (<see cref="Scaling.Signals.PrometheusSourceList"/>), a file; null is none.
    /// </summary>
    public string? PrometheusSources { get; init; }

    /// <summary>Days whose facts the ledger keeps pod by pod, beyond what budgets' windows reach.</summary>
    public int LedgerDetailDays { get; init; } = 35;

    /// <summary>Days whose sums it keeps after that.</summary>
    public int LedgerSumDays { get; init; } = 400;

    /// <summary>Spreads back-offs and retries; each replica has its own.</summary>
    public int Seed { get; init; } = 1;
}
