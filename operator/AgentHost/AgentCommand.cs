using System.CommandLine;
using System.Text.Json;
using Bursar.Agent;
using Bursar.Agent.Doors;
using Bursar.Agent.Journal;
using Bursar.Agent.Nvml;
using Bursar.Agent.PodResources;
using Bursar.Agent.Scrape;
using Microsoft.Extensions.Logging;

namespace Bursar.AgentHost;

/// <summary>The command line: every option is also read from <c>BURSAR_&lt;NAME&gt;</c>, the option first.</summary>
internal static class AgentCommand
{
    /// <param name="environment">Reads a variable of the environment.</param>
    public static RootCommand Create(Func<string, string?> environment)
    {
        Option<string?> Text(string name, string help, string? fallback)
        {
            string variable = "BURSAR_" + name[2..].Replace('-', '_').ToUpperInvariant();
            string described = string.IsNullOrEmpty(fallback) ? "" : $", default {fallback}";
            return new Option<string?>(name)
            {
                Description = $"{help} [{variable}{described}]",
                DefaultValueFactory = _ => environment(variable) is { Length: > 0 } value ? value : fallback,
            };
        }

        var nodeName = Text("--node-name", "The Kubernetes node, also from NODE_NAME", environment("NODE_NAME") is { Length: > 0 } node ? node : null);
        var operatorAddress = Text("--operator-address", "host:port of the operator's door (mutual TLS)", "*:9465");
        var podAddress = Text("--pod-address", "host:port of the pods' door", "*:9466");
        var metricsAddress = Text("--metrics-address", "host:port of metrics and health", "*:9464");
        var journalDir = Text("--journal-dir", "Where the journal lies; 'none' keeps it in memory", "/var/lib/bursar-agent");
        var socket = Text("--pod-resources-socket", "The kubelet's PodResources socket", KubeletPodResources.DefaultSocket);
        var certDir = Text("--cert-dir", "Where tls.crt, tls.key and ca.crt are mounted", "/etc/bursar-agent/tls");
        var procRoot = Text("--proc-root", "The host's /proc", "/proc");
        var logRoot = Text("--log-root", "The host's directory of pod logs", "/var/log/pods");
        var library = Text("--nvml-library", "Path of libnvidia-ml.so.1, where the loader does not find it", null);
        var scrapeInterval = Text("--scrape-interval-seconds", "How often pods are scraped", "5");
        var stepMetric = Text("--progress-step-metric", "The metric of steps done", new ScrapeOptions().StepMetric);
        var totalMetric = Text("--progress-total-metric", "The metric of steps in all", new ScrapeOptions().TotalMetric);
        var logFormat = Text("--log-format", "json or text", "json");
        logFormat.AcceptOnlyFromAmong("json", "text");
        var logLevel = Text("--log-level", "debug, information, warning or error", "information");

        var command = new RootCommand("Measures what pods do with the GPUs of this node and tells Bursar's operator.");
        foreach (var option in (Option[])[nodeName, operatorAddress, podAddress, metricsAddress, journalDir, socket, certDir, procRoot,
            logRoot, library, scrapeInterval, stepMetric, totalMetric, logFormat, logLevel])
        {
            command.Options.Add(option);
        }

        command.SetAction(async (parsed, cancellationToken) =>
        {
            string Value(Option<string?> option) => parsed.GetValue(option) ?? "";
            if (Value(nodeName).Length == 0)
                return await FailAsync("--node-name (or NODE_NAME) is missing: the operator believes an agent for its own node only");
            if (!int.TryParse(Value(scrapeInterval), out int seconds) || seconds is < 1 or > 3600)
                return await FailAsync($"--scrape-interval-seconds '{Value(scrapeInterval)}' is not a number from 1 to 3600");
            if (!Enum.TryParse<LogLevel>(Value(logLevel), ignoreCase: true, out var level))
                return await FailAsync($"--log-level '{Value(logLevel)}' is none of debug, information, warning, error");

            var time = TimeProvider.System;
            using var loggers = new StderrLoggerFactory(Console.Error, level, Value(logFormat) == "json", time);
            using var gpus = new NvmlGpuReader(Value(library), time);
            using var kubelet = new KubeletPodResources(Value(socket), time);
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
                },
            };
            AgentServer server;
            try
            {
                server = await AgentServer.StartAsync(options, gpus, kubelet, time, loggers, cancellationToken);
            }
            catch (Exception exception) when (exception is IOException or FormatException)
            {
                return await FailAsync(exception.Message);
            }
            await using (server)
            {
                await Console.Out.WriteLineAsync(JsonSerializer.Serialize(server.Addresses, DoorJson.Default.AgentAddresses));
                await Console.Out.FlushAsync(cancellationToken);
                var stop = Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
                // A part that failed ends the process with an error: the kubelet starts it again.
                return await Task.WhenAny(stop, server.Failed) == stop ? 0 : 1;
            }
        });
        return command;
    }

    private static async Task<int> FailAsync(string sentence)
    {
        await Console.Error.WriteLineAsync($"bursar-agent: {sentence}");
        return 2;
    }
}
