using Bursar.Agent.Certificates;
using Bursar.Agent.Journal;
using Bursar.Agent.Nvml;
using Bursar.Agent.Sampling;
using Bursar.Agent.Scrape;
using Microsoft.AspNetCore.Http;
using Prometheus;

namespace Bursar.Agent.Endpoints;

/// <summary><c>GET /metrics</c> and <c>GET /healthz</c>. "No driver" and waiting certificates are normal states, not ill health.</summary>
internal sealed class MetricsEndpoint(
    string node,
    string version,
    Sampler sampler,
    ScrapeLoop scrapes,
    UsageJournal journal,
    CertificateFolder certificates,
    AgentCounters counters,
    Func<string?> stopped,
    DateTimeOffset startedAt,
    TimeProvider time
)
{
    /// <summary>A sampler that has not sampled for this long is stuck: its longest pause is ten seconds.</summary>
    private static readonly TimeSpan Stuck = TimeSpan.FromMinutes(2);

    /// <summary>A server that has not answered for this long tells nothing of its load.</summary>
    private static readonly TimeSpan Stale = TimeSpan.FromMinutes(1);

    public async Task HandleAsync(HttpContext context)
    {
        switch (context.Request.Method, context.Request.Path.Value)
        {
            case ("GET", "/healthz"):
                var health = Health();
                await Answers.JsonAsync(context, health.Status == "ok" ? 200 : 503, health, EndpointJson.Default.AgentHealth);
                break;
            case ("GET", "/metrics"):
                context.Response.ContentType = PrometheusConstants.TextContentTypeWithVersionAndEncoding;
                await Registry().CollectAndExportAsTextAsync(context.Response.Body, context.RequestAborted);
                break;
            default:
                await Answers.NotFoundAsync(context);
                break;
        }
    }

    public AgentHealth Health()
    {
        var view = sampler.View;
        string status =
            stopped() is { } failure ? failure
            : time.GetUtcNow() - (view?.At ?? startedAt) > Stuck ? "the sampler is stuck"
            : "ok";
        return new AgentHealth
        {
            Status = status,
            Node = node,
            Gpu = view is null ? "not read yet" : $"{StateText(view.Gpus.State)}: {view.Gpus.StateText}",
            PodResources = sampler.ListFault ?? "ok",
            Journal = journal.Fault ?? "ok",
            Certificates = certificates.Fault ?? "ok",
        };
    }

    private static string StateText(NvmlState state) =>
        state switch
        {
            NvmlState.NoLibrary => "no-library",
            NvmlState.NoDriver => "no-driver",
            _ => "ready",
        };

    /// <summary>Creates the registry of one scrape: a few hundred series, none of which can be stale.</summary>
    private CollectorRegistry Registry()
    {
        var registry = Metrics.NewCustomRegistry();
        var page = Metrics.WithCustomRegistry(registry);
        page.ExemplarBehavior = ExemplarBehavior.NoExemplars();
        page.CreateGauge("bursar_agent_build_info", "Always 1; the version stands in the label.", "version", "node")
            .WithLabels(version, node)
            .Set(1);
        var view = sampler.View;
        var state = page.CreateGauge("bursar_agent_gpu_state", "1 for the state the node's GPU driver is in.", "state");
        foreach (var one in (NvmlState[])[NvmlState.NoLibrary, NvmlState.NoDriver, NvmlState.Ready])
            state.WithLabels(StateText(one)).Set(view?.Gpus.State == one ? 1 : 0);
        if (view is not null)
            Devices(page, view);
        Serving(page, scrapes.Gauges.Where(pod => time.GetUtcNow() - pod.At < Stale));
        page.CreateCounter("bursar_agent_samples_total", "Samples taken.").IncTo(counters.Samples);
        page.CreateGauge("bursar_agent_sample_pause_seconds", "The pause between samples at the moment: longer while nothing changes.")
            .Set(sampler.Pause.TotalSeconds);
        page.CreateCounter("bursar_agent_gpu_read_seconds_total", "Time spent in the driver's library.")
            .IncTo(counters.ReadTime.TotalSeconds);
        page.CreateCounter("process_cpu_seconds_total", "CPU time of this process.").IncTo(Environment.CpuUsage.TotalTime.TotalSeconds);
        page.CreateGauge("process_resident_memory_bytes", "Resident memory of this process.").Set(Environment.WorkingSet);
        page.CreateCounter("bursar_agent_pod_resources_failures_total", "Times the kubelet did not list its devices.")
            .IncTo(counters.ListFailures);
        var outcomes = page.CreateCounter("bursar_agent_scrapes_total", "Scrapes of pods by outcome.", "outcome");
        foreach (var (outcome, count) in counters.Scrapes)
            outcomes.WithLabels(outcome).IncTo(count);
        var skipped = page.CreateCounter(
            "bursar_agent_skipped_lines_total",
            "Lines of scraped pages that could not be read, by whose pages they are. The other lines were used.",
            "source"
        );
        skipped.WithLabels("pods").IncTo(counters.SkippedLines);
        skipped.WithLabels("dcgm-exporter").IncTo(view?.Gpus.SkippedLines ?? 0);
        var posts = page.CreateCounter("bursar_agent_progress_posts_total", "Progress posted by pods, by outcome.", "outcome");
        foreach (var (outcome, count) in counters.Posts)
            posts.WithLabels(outcome).IncTo(count);
        page.CreateCounter("bursar_agent_refused_connections_total", "Connections to the operator's and the pods' door that were refused.")
            .IncTo(counters.RefusedConnections);
        page.CreateGauge("bursar_agent_journal_kept_entries", "Entries in the journal.").Set(journal.KeptEntries);
        page.CreateGauge("bursar_agent_journal_last_seq", "The newest sequence number of the journal.").Set(journal.Next - 1);
        page.CreateCounter("bursar_agent_journal_corrupt_lines_total", "Lines of the journal refused as damaged.")
            .IncTo(journal.CorruptLines);
        page.CreateCounter("bursar_agent_journal_dropped_entries_total", "Entries dropped before the operator took them.")
            .IncTo(journal.DroppedEntries);
        page.CreateGauge("bursar_agent_journal_fault", "1 while the journal cannot be written to disk.").Set(journal.Fault is null ? 0 : 1);
        page.CreateGauge("bursar_agent_certificates_ready", "1 when the operator's door has its certificates.")
            .Set(certificates.Current is null ? 0 : 1);
        return registry;
    }

    private static void Serving(MetricFactory page, IEnumerable<PodGauges> pods)
    {
        var running = page.CreateGauge(
            "bursar_agent_serving_requests_running",
            "Requests that a model works on.",
            "namespace",
            "pod",
            "model"
        );
        var waiting = page.CreateGauge(
            "bursar_agent_serving_requests_waiting",
            "Requests that wait for a model.",
            "namespace",
            "pod",
            "model"
        );
        var use = page.CreateGauge("bursar_agent_serving_cache_use_ratio", "Use of a model's KV cache.", "namespace", "pod", "model");
        var seconds = page.CreateCounter(
            "bursar_agent_serving_latency_seconds_total",
            "Time of a model's ended requests, from arrival to end; divided by their number it is the mean.",
            "namespace",
            "pod",
            "model"
        );
        var requests = page.CreateCounter(
            "bursar_agent_serving_latency_requests_total",
            "Ended requests that the time is of.",
            "namespace",
            "pod",
            "model"
        );
        foreach (var pod in pods)
        {
            foreach (var load in pod.Loads)
            {
                string[] labels = [pod.Namespace, pod.Pod, load.Model];
                if (load.Running is { } working)
                    running.WithLabels(labels).Set(working);
                if (load.Waiting is { } queued)
                    waiting.WithLabels(labels).Set(queued);
                if (load.CacheUse is { } share)
                    use.WithLabels(labels).Set(share);
                if (load is { LatencySeconds: { } sum, LatencyRequests: { } count })
                {
                    seconds.WithLabels(labels).IncTo(sum);
                    requests.WithLabels(labels).IncTo(count);
                }
            }
        }
    }

    private static void Devices(MetricFactory page, SamplerView view)
    {
        var info = page.CreateGauge("bursar_agent_gpu_info", "Always 1; the device's name stands in the label.", "uuid", "name", "parent");
        var lost = page.CreateGauge("bursar_agent_gpu_lost", "1 when the device fell off the bus.", "uuid");
        var use = page.CreateGauge(
            "bursar_agent_gpu_utilization_ratio",
            "Share of the last sample period in which the device worked.",
            "uuid"
        );
        var used = page.CreateGauge("bursar_agent_gpu_memory_used_bytes", "Device memory in use.", "uuid");
        var total = page.CreateGauge("bursar_agent_gpu_memory_total_bytes", "Device memory.", "uuid");
        var heat = page.CreateGauge("bursar_agent_gpu_temperature_celsius", "Temperature of the device.", "uuid");
        var power = page.CreateGauge("bursar_agent_gpu_power_watts", "Power draw of the device.", "uuid");
        var energy = page.CreateCounter("bursar_agent_gpu_energy_joules_total", "Energy since the driver was loaded.", "uuid");
        var processes = page.CreateGauge("bursar_agent_gpu_processes", "Compute processes on the device.", "uuid");
        foreach (var device in view.Gpus.Devices)
        {
            if (device.Uuid.Length == 0)
                continue;
            var uuid = device.Uuid;
            info.WithLabels(uuid, device.Name, device.ParentUuid ?? "").Set(1);
            lost.WithLabels(uuid).Set(device.Lost ? 1 : 0);
            if (device.Lost)
                continue;
            processes.WithLabels(uuid).Set(device.Processes.Count);
            if (device.UtilizationPercent is { } percent)
                use.WithLabels(uuid).Set(percent / 100.0);
            if (device.MemoryUsedBytes is { } usedBytes)
                used.WithLabels(uuid).Set(usedBytes);
            if (device.MemoryTotalBytes is { } totalBytes)
                total.WithLabels(uuid).Set(totalBytes);
            if (device.TemperatureCelsius is { } celsius)
                heat.WithLabels(uuid).Set(celsius);
            if (device.PowerMilliwatts is { } milliwatts)
                power.WithLabels(uuid).Set(milliwatts / 1000.0);
            if (device.EnergyMillijoules is { } millijoules)
                energy.WithLabels(uuid).IncTo(millijoules / 1000.0);
        }
        var held = page.CreateGauge(
            "bursar_agent_gpu_held",
            "1 for each pod that holds a device.",
            "uuid",
            "namespace",
            "pod",
            "container",
            "reason"
        );
        foreach (var holding in view.Holdings)
        {
            held.WithLabels(holding.Key.Device, holding.Key.Namespace, holding.Key.Pod, holding.Key.Container, holding.Reason ?? "").Set(1);
        }
    }
}
