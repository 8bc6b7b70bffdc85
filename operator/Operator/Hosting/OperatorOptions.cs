using Bursar.Core.Prices;
using Bursar.Operator.Telemetry;

namespace Bursar.Operator.Hosting;

/// <summary>Options of the operator, from the command line and <c>BURSAR_&lt;NAME&gt;</c> (<see cref="OptionSources"/>).</summary>
internal sealed record OperatorOptions
{
    /// <summary>Bursar's own namespace, with the ledger, the lease and the ConfigMap of observe-only mode.</summary>
    public string Namespace { get; init; } = "bursar-system";

    /// <summary>Namespace of the agents. It is separate because agents need privileged pod security.</summary>
    public string AgentNamespace { get; init; } = "bursar-agents";

    /// <summary>Value of the label <c>app.kubernetes.io/name</c> of the agents' pods.</summary>
    public string AgentName { get; init; } = "bursar-agent";

    /// <summary>Selects the pods that are dcgm-exporters, which are read on nodes without an agent.</summary>
    public ExporterSelection Exporters { get; init; } = ExporterSelection.None;

    /// <summary>
    /// Names of the workload kinds that the operator has rights to suspend; null for all. Other kinds are reported as not suspendable.
    /// </summary>
    public IReadOnlyCollection<string>? Kinds { get; init; }

    /// <summary>
    /// Names of the managers (<see cref="Cluster.ManagerAdapters.Names"/>) whose objects the operator has rights to write; null for all.
    /// Workloads of other managers are reported as not suspendable.
    /// </summary>
    public IReadOnlyCollection<string>? Managers { get; init; }

    /// <summary>Resources, drivers and DeviceClasses that are GPUs.</summary>
    public GpuResources Gpus { get; init; } = GpuResources.BuiltIn;

    /// <summary>Wait for the lease before acting. Required with more than one replica.</summary>
    public bool LeaderElect { get; init; }

    /// <summary>Name of this replica, unique among the replicas.</summary>
    public string Identity { get; init; } = "bursar";

    /// <summary>host:port of metrics and health; port 0 selects a free port.</summary>
    public string MetricsAddress { get; init; } = "127.0.0.1:8080";

    /// <summary>host:port of the admission webhook, over HTTPS; port 0 selects a free port, null turns it off.</summary>
    public string? WebhookAddress { get; init; }

    /// <summary>Name of the MutatingWebhookConfiguration. The webhook's Service has it with the suffix <c>-webhook</c>.</summary>
    public string WebhookName { get; init; } = "bursar";

    /// <summary>URL of the webhook for an operator outside the cluster; null for its Service.</summary>
    public Uri? WebhookUrl { get; init; }

    /// <summary>host:port of KEDA's external scaler, over HTTP/2 without TLS; port 0 selects a free port, null turns it off.</summary>
    public string? ExternalScalerAddress { get; init; }

    /// <summary>
    /// Path of the list of Prometheus servers that triggers may query (<see cref="Scaling.Signals.PrometheusSourceList"/>); null for none.
    /// </summary>
    public string? PrometheusSources { get; init; }

    /// <summary>Days for which the ledger keeps single pods. Longer if a budget's window needs them.</summary>
    public int LedgerDetailDays { get; init; } = 35;

    /// <summary>Days for which the ledger keeps daily sums after that.</summary>
    public int LedgerSumDays { get; init; } = 400;

    /// <summary>Seed for the jitter of back-offs and retries; different in each replica.</summary>
    public int Seed { get; init; } = 1;
}
