using System.CommandLine;
using System.Text.Json;
using Bursar.Agent.Dcgm;
using Bursar.Agent.Endpoints;
using Bursar.Agent.Journal;
using Bursar.Agent.Nvml;
using Bursar.Agent.PodResources;
using Bursar.Agent.Pods;
using Bursar.Agent.Probe;
using Bursar.Agent.Scrape;
using Bursar.Core.Prices;
using Bursar.Hosting;
using Microsoft.Extensions.Logging;

namespace Bursar.AgentHost;

/// <summary>The command line of <c>bursar-agent</c>.</summary>
internal static class AgentCommand
{
    public static RootCommand Create()
    {
        var nodeName = OptionSources.Text(
            "--node-name",
            "The Kubernetes node. Default: NODE_NAME.",
            Environment.GetEnvironmentVariable("NODE_NAME") ?? ""
        );
        var operatorAddress = OptionSources.Text(
            "--operator-address",
            "host:port of the endpoint for the operator (mutual TLS).",
            "*:9465"
        );
        var podAddress = OptionSources.Text("--pod-address", "host:port of the endpoint for pods.", "*:9466");
        var metricsAddress = OptionSources.Text("--metrics-address", "host:port of metrics and health.", "*:9464");
        var journalDir = OptionSources.Text("--journal-dir", "Folder of the journal; 'none' keeps it in memory.", "/var/lib/bursar-agent");
        var socket = OptionSources.Text("--pod-resources-socket", "The kubelet's PodResources socket.", KubeletPodResources.DefaultSocket);
        var certDir = OptionSources.Text("--cert-dir", "Folder of tls.crt, tls.key and ca.crt.", "/etc/bursar-agent/tls");
        var procRoot = OptionSources.Text("--proc-root", "The host's /proc.", "/proc");
        var logRoot = OptionSources.Text("--log-root", "The host's directory of pod logs.", "/var/log/pods");
        var library = OptionSources.Text("--nvml-library", "Path of libnvidia-ml.so.1, if the loader does not find it.", "");
        var resources = OptionSources.Text("--gpu-resources", GpuResources.OptionText, "");
        var exporter = OptionSources.Text(
            "--dcgm-exporter",
            "URL of this node's dcgm-exporter, used if NVML is missing and for the activity of MIG devices. Empty: none.",
            ""
        );
        var scrapeInterval = OptionSources.Text("--scrape-interval-seconds", "How often pods are scraped.", "5");
        var stepMetric = OptionSources.Text("--progress-step-metric", "The metric of completed steps.", new ScrapeOptions().StepMetric);
        var totalMetric = OptionSources.Text(
            "--progress-total-metric",
            "The metric of the total number of steps.",
            new ScrapeOptions().TotalMetric
        );
        var servers = OptionSources.Text("--servers", "A JSON file with the metrics of model servers that Bursar does not know.", "");
        var logFormat = OptionSources.Choice<LogFormat>("--log-format", "json or text.", "text");
        var logLevel = OptionSources.Choice<LogLevel>("--log-level", "trace, debug, information, warning or error.", "information");

        var command = new RootCommand(
            $"Measure how pods use the GPUs of this node and report it to Bursar's operator. {CommandLine.ExitCodes}"
        );
        foreach (
            var option in (Option<string>[])
                [
                    nodeName,
                    operatorAddress,
                    podAddress,
                    metricsAddress,
                    journalDir,
                    socket,
                    certDir,
                    procRoot,
                    logRoot,
                    library,
                    resources,
                    exporter,
                    scrapeInterval,
                    stepMetric,
                    totalMetric,
                    servers,
                    logFormat,
                    logLevel,
                ]
        )
        {
            command.Options.Add(option);
        }

        command.SetAction(
            async (parsed, cancellationToken) =>
            {
                string Value(Option<string> option) => parsed.GetValue(option)!;
                if (Value(nodeName).Length == 0)
                    throw new UsageException(
                        "--node-name (or NODE_NAME) is missing: the operator accepts an agent's reports only for its own node"
                    );
                if (!int.TryParse(Value(scrapeInterval), out int seconds) || seconds is < 1 or > 3600)
                    throw new UsageException($"--scrape-interval-seconds '{Value(scrapeInterval)}' is not a number from 1 to 3600");
                Uri? exporterAddress = null;
                if (
                    Value(exporter).Length > 0
                    && (
                        !Uri.TryCreate(Value(exporter), UriKind.Absolute, out exporterAddress)
                        || exporterAddress.Scheme != Uri.UriSchemeHttp
                    )
                )
                    throw new UsageException($"--dcgm-exporter '{Value(exporter)}' is not an http URL");

                IReadOnlyList<ServingMetrics> known = [];
                try
                {
                    if (Value(servers).Length > 0)
                        known = ServingMap.Read(await File.ReadAllBytesAsync(Value(servers), cancellationToken));
                }
                catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or FormatException)
                {
                    throw new UsageException($"--servers '{Value(servers)}': {exception.Message}");
                }

                var time = TimeProvider.System;
                using var loggers = Logging.Create(Value(logFormat), Value(logLevel));
                using var gpus = new NvmlGpuReader(Value(library), time);
                using var kubelet = new KubeletPodResources(Value(socket), time, GpuResources.Parse(Value(resources)));
                using var dcgm = exporterAddress is null ? null : new DcgmExporter(exporterAddress, time);
                using var both = dcgm is null ? null : new SecondSource(gpus, kubelet, dcgm);
                var options = new AgentOptions
                {
                    NodeName = Value(nodeName),
                    OperatorAddress = Value(operatorAddress),
                    PodAddress = Value(podAddress),
                    MetricsAddress = Value(metricsAddress),
                    CertificateDirectory = Value(certDir),
                    LogRoot = Value(logRoot),
                    ProcRoot = Value(procRoot),
                    Random = new Random(),
                    Journal = new JournalOptions { Directory = Value(journalDir) is "none" ? null : Value(journalDir) },
                    Scrape = new ScrapeOptions
                    {
                        Interval = TimeSpan.FromSeconds(seconds),
                        StepMetric = Value(stepMetric),
                        TotalMetric = Value(totalMetric),
                        Servers = known,
                    },
                };
                await using (
                    var server = await AgentServer.StartAsync(
                        options,
                        (IGpuReader?)both ?? gpus,
                        (IPodResources?)both ?? kubelet,
                        time,
                        loggers,
                        cancellationToken
                    )
                )
                {
                    await Console.Out.WriteLineAsync(JsonSerializer.Serialize(server.Addresses, EndpointJson.Default.AgentAddresses));
                    await Console.Out.FlushAsync(cancellationToken);
                    await server.WaitForEndAsync(cancellationToken);
                    return 0;
                }
            }
        );
        command.Subcommands.Add(CreateProbe());
        return command;
    }

    private static Command CreateProbe()
    {
        var socket = OptionSources.Text("--pod-resources-socket", "The kubelet's PodResources socket.", KubeletPodResources.DefaultSocket);
        var procRoot = OptionSources.Text("--proc-root", "The host's /proc.", "/proc");
        var logRoot = OptionSources.Text("--log-root", "The host's directory of pod logs.", "/var/log/pods");
        var library = OptionSources.Text("--nvml-library", "Path of libnvidia-ml.so.1, if the loader does not find it.", "");
        var samples = OptionSources.Text("--samples", "How often the devices are read, a second apart.", "5");
        var command = new Command(
            "probe",
            "Prints every device, process and reading of this node, how long each NVML call takes, and what an hour of sampling costs."
        );
        foreach (var option in (Option<string>[])[socket, procRoot, logRoot, library, samples])
            command.Options.Add(option);
        command.SetAction(
            async (parsed, cancellationToken) =>
            {
                string Value(Option<string> option) => parsed.GetValue(option)!;
                if (!int.TryParse(Value(samples), out int count) || count is < 1 or > 3600)
                    throw new UsageException($"--samples '{Value(samples)}' is not a number from 1 to 3600");
                var time = TimeProvider.System;
                using var kubelet = new KubeletPodResources(Value(socket), time);
                var uids = new PodUidResolver(new TargetStore(), Value(logRoot), Value(procRoot), time);
                var probe = new NodeProbe(Value(library), kubelet, uids, time);
                return await probe.WriteAsync(Console.Out, new ProbeOptions { Samples = count }, cancellationToken) ? 0 : 1;
            }
        );
        return command;
    }
}
