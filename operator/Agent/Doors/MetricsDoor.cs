using Bursar.Agent.Certificates;
using Bursar.Agent.Journal;
using Bursar.Agent.Nvml;
using Bursar.Agent.Sampling;
using Bursar.Agent.Scrape;
using Bursar.Core.Text;
using Microsoft.AspNetCore.Http;

namespace Bursar.Agent.Doors;

/// <summary><c>GET /metrics</c> and <c>GET /healthz</c>. "No driver" and waiting certificates are normal states, not ill health.</summary>
internal sealed class MetricsDoor(
    string node, string version, Sampler sampler, ScrapeLoop scrapes, UsageJournal journal, CertificateFolder certificates, AgentCounters counters,
    Func<string?> stopped, DateTimeOffset startedAt, TimeProvider time)
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
                await Answers.JsonAsync(context, health.Status == "ok" ? 200 : 503, health, DoorJson.Default.AgentHealth);
                break;
            case ("GET", "/metrics"):
                byte[] page = Page();
                context.Response.ContentType = PrometheusWriter.ContentType;
                context.Response.ContentLength = page.Length;
                await context.Response.Body.WriteAsync(page, context.RequestAborted);
                break;
            default:
                await Answers.NotFoundAsync(context);
                break;
        }
    }

    public AgentHealth Health()
    {
        var view = sampler.View;
        string status = stopped() is { } failure ? failure
            : time.GetUtcNow() - (view?.At ?? startedAt) > Stuck ? "the sampler is stuck"
            : "ok";
        return new AgentHealth
        {
            Status = status,
            Node = node,
            Gpu = view is null ? "not read yet" : $"{Word(view.Gpus.State)}: {view.Gpus.Word}",
            PodResources = sampler.ListFault ?? "ok",
            Journal = journal.Fault ?? "ok",
            Certificates = certificates.Fault ?? "ok",
        };
    }

    private static string Word(NvmlState state) => state switch
    {
        NvmlState.NoLibrary => "no-library",
        NvmlState.NoDriver => "no-driver",
        _ => "ready",
    };

    private byte[] Page()
    {
        var page = new PrometheusWriter();
        page.Family("bursar_agent_build_info", PrometheusType.Gauge, "Always 1; the version stands in the label.").Sample(1, ("version", version), ("node", node));
        var view = sampler.View;
        var state = page.Family("bursar_agent_gpu_state", PrometheusType.Gauge, "1 for the state the node's GPU driver is in.");
        foreach (var one in (NvmlState[])[NvmlState.NoLibrary, NvmlState.NoDriver, NvmlState.Ready])
            state.Sample(view?.Gpus.State == one ? 1 : 0, ("state", Word(one)));
        if (view is not null)
            Devices(page, view);
        Serving(page, scrapes.Gauges.Where(pod => time.GetUtcNow() - pod.At < Stale));
        page.Family("bursar_agent_samples_total", PrometheusType.Counter, "Samples taken.").Sample(counters.Samples);
        page.Family("bursar_agent_sample_pause_seconds", PrometheusType.Gauge, "The pause between samples at the moment: longer while nothing changes.").Sample(sampler.Pause.TotalSeconds);
        page.Family("bursar_agent_gpu_read_seconds_total", PrometheusType.Counter, "Time spent in the driver's library.").Sample(counters.ReadTime.TotalSeconds);
        page.Family("process_cpu_seconds_total", PrometheusType.Counter, "CPU time of this process.").Sample(Environment.CpuUsage.TotalTime.TotalSeconds);
        page.Family("process_resident_memory_bytes", PrometheusType.Gauge, "Resident memory of this process.").Sample(Environment.WorkingSet);
        page.Family("bursar_agent_pod_resources_failures_total", PrometheusType.Counter, "Times the kubelet did not list its devices.").Sample(counters.ListFailures);
        var outcomes = page.Family("bursar_agent_scrapes_total", PrometheusType.Counter, "Scrapes of pods by outcome.");
        foreach (var (outcome, count) in counters.Scrapes)
            outcomes.Sample(count, ("outcome", outcome));
        var skipped = page.Family("bursar_agent_skipped_lines_total", PrometheusType.Counter, "Lines of scraped pages that could not be read, by whose pages they are. The other lines were used.");
        skipped.Sample(counters.SkippedLines, ("source", "pods"));
        skipped.Sample(view?.Gpus.SkippedLines ?? 0, ("source", "dcgm-exporter"));
        var posts = page.Family("bursar_agent_progress_posts_total", PrometheusType.Counter, "Progress posted by pods, by outcome.");
        foreach (var (outcome, count) in counters.Posts)
            posts.Sample(count, ("outcome", outcome));
        page.Family("bursar_agent_refused_connections_total", PrometheusType.Counter, "Connections to the operator's and the pods' door that were refused.").Sample(counters.RefusedConnections);
        page.Family("bursar_agent_journal_kept_entries", PrometheusType.Gauge, "Entries in the journal.").Sample(journal.KeptEntries);
        page.Family("bursar_agent_journal_last_seq", PrometheusType.Gauge, "The newest sequence number of the journal.").Sample(journal.Next - 1);
        page.Family("bursar_agent_journal_corrupt_lines_total", PrometheusType.Counter, "Lines of the journal refused as damaged.").Sample(journal.CorruptLines);
        page.Family("bursar_agent_journal_dropped_entries_total", PrometheusType.Counter, "Entries dropped before the operator took them.").Sample(journal.DroppedEntries);
        page.Family("bursar_agent_journal_fault", PrometheusType.Gauge, "1 while the journal cannot be written to disk.").Sample(journal.Fault is null ? 0 : 1);
        page.Family("bursar_agent_certificates_ready", PrometheusType.Gauge, "1 when the operator's door has its certificates.").Sample(certificates.Current is null ? 0 : 1);
        return page.ToUtf8();
    }

    private static void Serving(PrometheusWriter page, IEnumerable<PodGauges> pods)
    {
        var running = page.Family("bursar_agent_serving_requests_running", PrometheusType.Gauge, "Requests that a model works on.");
        var waiting = page.Family("bursar_agent_serving_requests_waiting", PrometheusType.Gauge, "Requests that wait for a model.");
        var use = page.Family("bursar_agent_serving_cache_use_ratio", PrometheusType.Gauge, "Use of a model's KV cache.");
        var seconds = page.Family("bursar_agent_serving_latency_seconds_total", PrometheusType.Counter, "Time of a model's ended requests, from arrival to end; divided by their number it is the mean.");
        var requests = page.Family("bursar_agent_serving_latency_requests_total", PrometheusType.Counter, "Ended requests that the time is of.");
        foreach (var pod in pods)
        {
            foreach (var load in pod.Loads)
            {
                ReadOnlySpan<(string, string)> labels = [("namespace", pod.Namespace), ("pod", pod.Pod), ("model", load.Model)];
                if (load.Running is { } working)
                    running.Sample(working, labels);
                if (load.Waiting is { } queued)
                    waiting.Sample(queued, labels);
                if (load.CacheUse is { } share)
                    use.Sample(share, labels);
                if (load is { LatencySeconds: { } sum, LatencyRequests: { } count })
                {
                    seconds.Sample(sum, labels);
                    requests.Sample(count, labels);
                }
            }
        }
    }

    private static void Devices(PrometheusWriter page, SamplerView view)
    {
        var info = page.Family("bursar_agent_gpu_info", PrometheusType.Gauge, "Always 1; the device's name stands in the label.");
        var lost = page.Family("bursar_agent_gpu_lost", PrometheusType.Gauge, "1 when the device fell off the bus.");
        var use = page.Family("bursar_agent_gpu_utilization_ratio", PrometheusType.Gauge, "Share of the last sample period in which the device worked.");
        var used = page.Family("bursar_agent_gpu_memory_used_bytes", PrometheusType.Gauge, "Device memory in use.");
        var total = page.Family("bursar_agent_gpu_memory_total_bytes", PrometheusType.Gauge, "Device memory.");
        var heat = page.Family("bursar_agent_gpu_temperature_celsius", PrometheusType.Gauge, "Temperature of the device.");
        var power = page.Family("bursar_agent_gpu_power_watts", PrometheusType.Gauge, "Power draw of the device.");
        var energy = page.Family("bursar_agent_gpu_energy_joules_total", PrometheusType.Counter, "Energy since the driver was loaded.");
        var processes = page.Family("bursar_agent_gpu_processes", PrometheusType.Gauge, "Compute processes on the device.");
        foreach (var device in view.Gpus.Devices)
        {
            if (device.Uuid.Length == 0)
                continue;
            (string, string) label = ("uuid", device.Uuid);
            info.Sample(1, label, ("name", device.Name), ("parent", device.ParentUuid ?? ""));
            lost.Sample(device.Lost ? 1 : 0, label);
            if (device.Lost)
                continue;
            processes.Sample(device.Processes.Count, label);
            if (device.UtilizationPercent is { } percent)
                use.Sample(percent / 100.0, label);
            if (device.MemoryUsedBytes is { } usedBytes)
                used.Sample(usedBytes, label);
            if (device.MemoryTotalBytes is { } totalBytes)
                total.Sample(totalBytes, label);
            if (device.TemperatureCelsius is { } celsius)
                heat.Sample(celsius, label);
            if (device.PowerMilliwatts is { } milliwatts)
                power.Sample(milliwatts / 1000.0, label);
            if (device.EnergyMillijoules is { } millijoules)
                energy.Sample(millijoules / 1000.0, label);
        }
        var held = page.Family("bursar_agent_gpu_held", PrometheusType.Gauge, "1 for each pod that holds a device.");
        foreach (var holding in view.Holdings)
        {
            held.Sample(1, ("uuid", holding.Key.Device), ("namespace", holding.Key.Namespace), ("pod", holding.Key.Pod),
                ("container", holding.Key.Container), ("reason", holding.Reason ?? ""));
        }
    }
}
