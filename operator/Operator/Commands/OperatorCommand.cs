using System.CommandLine;
using Bursar.Core.Prices;
using Bursar.Hosting;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Operator.Billing;
using Bursar.Operator.Cluster;
using Bursar.Operator.Hosting;
using Bursar.Operator.Http;
using Bursar.Operator.Telemetry;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Commands;

/// <summary><c>bursar operator</c>: runs the controllers, inside or outside the cluster.</summary>
internal static class OperatorCommand
{
    public static Command Create()
    {
        var defaults = new OperatorOptions();
        var ns = OptionSources.Text(
            "--namespace",
            "Bursar's own namespace, with the ledger, the lease and the ConfigMap bursar-control.",
            defaults.Namespace
        );
        var agents = OptionSources.Text("--agent-namespace", "The namespace the agents run in.", defaults.AgentNamespace);
        var agentName = OptionSources.Text("--agent-name", "The label app.kubernetes.io/name of the agents' pods.", defaults.AgentName);
        var exporters = OptionSources.Text(
            "--dcgm-exporters",
            "Pods of NVIDIA's dcgm-exporter, read on nodes without an agent, as namespace/key=value,key=value;namespace/key=value.",
            "",
            text => ExporterSelection.Parse(text)
        );
        var kinds = OptionSources.Text(
            "--kinds",
            "Comma-separated kinds of workloads that the operator may suspend; empty means all.",
            "",
            text => RequireKnown(Names(text), WorkloadKinds.All.Select(kind => kind.Name).Concat(ScalableKinds.ScaledOnly))
        );
        var owners = OptionSources.Text(
            "--managers",
            "Comma-separated managers through whose objects the operator may suspend workloads; empty means all, none means none.",
            "",
            text => RequireKnown(Names(text) is ["none"] ? [] : Names(text), ManagerAdapters.Names)
        );
        var gpus = OptionSources.Text("--gpu-resources", GpuResources.OptionText, "");
        var elect = OptionSources.Flag("--leader-elect", "Act only while holding the lease; needed with more than one replica.");
        var identity = OptionSources.Text("--identity", "Name of this replica in the lease; empty is the host name.", "");
        var metrics = OptionSources.Text(
            "--metrics-address",
            "host:port of /metrics, /healthz and /readyz; port 0 is any free one.",
            defaults.MetricsAddress,
            RequireAddress
        );
        var webhook = OptionSources.Text(
            "--webhook-address",
            "host:port of the admission webhook; port 0 is any free one, empty is none.",
            "",
            RequireAddress
        );
        var webhookName = OptionSources.Text(
            "--webhook-name",
            "Name of the MutatingWebhookConfiguration; the webhook's Service has it with the suffix -webhook.",
            defaults.WebhookName
        );
        var webhookUrl = OptionSources.Text(
            "--webhook-url",
            "Where the API server finds the webhook, as https://host:port/admit, for an operator outside its cluster; empty: its Service.",
            "",
            text =>
            {
                if (text.Length > 0 && (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme != Uri.UriSchemeHttps))
                    throw new FormatException($"{text} is not an https:// address.");
            }
        );
        var external = OptionSources.Text(
            "--external-scaler-address",
            "host:port of the gRPC service that KEDA queries (docs/start/from-keda.md); port 0 is any free one, empty is none.",
            "",
            RequireAddress
        );
        var detail = OptionSources.Number(
            "--ledger-detail-days",
            "Days that the ledger keeps pod by pod; what a budget's window reaches is kept anyway.",
            defaults.LedgerDetailDays,
            2,
            3660
        );
        var sums = OptionSources.Number(
            "--ledger-sum-days",
            "Days that the ledger keeps as sums by workload.",
            defaults.LedgerSumDays,
            2,
            3660
        );
        var prometheus = OptionSources.Text(
            "--prometheus-sources",
            "A JSON file that names the Prometheus servers that triggers may query; empty is none.",
            ""
        );
        var format = OptionSources.Choice<LogFormat>("--log-format", "json or text.", "text");
        var level = OptionSources.Choice<LogLevel>("--log-level", "trace, debug, information, warning or error.", "information");
        var kubeconfig = new Option<string?>("--kubeconfig")
        {
            Description = "A kubeconfig file; else KUBECONFIG, ~/.kube/config, or the pod's service account.",
        };

        var command = new Command("operator", "Run the operator.")
        {
            ns,
            agents,
            agentName,
            exporters,
            kinds,
            owners,
            gpus,
            elect,
            identity,
            metrics,
            webhook,
            webhookName,
            webhookUrl,
            external,
            prometheus,
            detail,
            sums,
            format,
            level,
            kubeconfig,
        };
        command.SetAction(
            async (parsed, cancellationToken) =>
            {
                var (managers, named) = (Names(parsed.GetValue(owners)!), Names(parsed.GetValue(kinds)!));
                var options = new OperatorOptions
                {
                    Managers =
                        managers is ["none"] ? []
                        : managers.Length == 0 ? null
                        : managers,
                    Kinds = named.Length == 0 ? null : named,
                    Namespace = parsed.GetValue(ns)!,
                    AgentNamespace = parsed.GetValue(agents)!,
                    AgentName = parsed.GetValue(agentName)!,
                    Exporters = ExporterSelection.Parse(parsed.GetValue(exporters)!),
                    Gpus = parsed.GetValue(gpus) is { Length: > 0 } more ? GpuResources.Parse(more) : defaults.Gpus,
                    LeaderElect = parsed.GetValue(elect),
                    Identity = parsed.GetValue(identity) is { Length: > 0 } replica
                        ? replica
                        : Environment.GetEnvironmentVariable("HOSTNAME") ?? Environment.MachineName,
                    MetricsAddress = parsed.GetValue(metrics)!,
                    WebhookAddress = parsed.GetValue(webhook) is { Length: > 0 } address ? address : null,
                    WebhookName = parsed.GetValue(webhookName)!,
                    WebhookUrl = parsed.GetValue(webhookUrl) is { Length: > 0 } url ? new(url) : null,
                    ExternalScalerAddress = parsed.GetValue(external) is { Length: > 0 } door ? door : null,
                    PrometheusSources = parsed.GetValue(prometheus) is { Length: > 0 } list ? list : null,
                    LedgerDetailDays = parsed.GetValue(detail),
                    LedgerSumDays = parsed.GetValue(sums),
                    Seed = Random.Shared.Next(),
                };
                var config = KubeConfig.Load(parsed.GetValue(kubeconfig));
                using var logs = Logging.Create(parsed.GetValue(format)!, parsed.GetValue(level)!);
                try
                {
                    using (var client = new KubeClient(config))
                        await StartCheck.RunAsync(client, options.Namespace, cancellationToken);
                    await OperatorHost.RunAsync(options, config, TimeProvider.System, logs, null, cancellationToken);
                    return 0;
                }
                catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
                {
                    return 0;
                }
                catch (Exception failure)
                    when (failure
                            is not (
                                CommandException
                                or KubeConfigException
                                or LedgerUnreadableException
                                or LeadershipLostException
                                or ApiException
                                or HttpRequestException
                                or TimeoutException
                                or IOException
                            )
                    )
                {
                    // Log the stack trace of a bug, which the message on stderr does not include.
                    logs.CreateLogger("bursar").LogStopped(failure);
                    throw;
                }
            }
        );
        return command;
    }

    private static string[] Names(string text) => text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static void RequireKnown(IEnumerable<string> names, IEnumerable<string> known)
    {
        if (names.FirstOrDefault(name => !known.Contains(name)) is { } unknown)
            throw new FormatException($"{unknown} is not one of {string.Join(", ", known)}.");
    }

    private static void RequireAddress(string text)
    {
        if (text.Length > 0)
            EdgeServer.Parse(text);
    }
}

internal static partial class OperatorCommandLog
{
    [LoggerMessage(Level = LogLevel.Critical, Message = "Operator stopped by an unexpected failure")]
    public static partial void LogStopped(this ILogger logger, Exception failure);
}
