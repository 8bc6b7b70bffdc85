using Bursar.Agent.Journal;
using Bursar.Agent.Nvml;
using Bursar.Agent.Sampling;
using Bursar.Agent.Scrape;
using Prometheus;

namespace Bursar.Agent.Endpoints;

/// <summary>
/// The agent's metrics. Each scrape gets a new registry (a few hundred series), so no series can be stale. Not safe for concurrent use.
/// </summary>
public sealed class AgentMetrics
{
    private readonly List<Collector> _families = [];
    private readonly CollectorRegistry _registry = Metrics.NewCustomRegistry();
    private readonly MetricFactory _factory;
    private readonly Gauge _buildInfo;
    private readonly Gauge _state;
    private readonly Gauge _deviceInfo;
    private readonly Gauge _lost;
    private readonly Gauge _utilization;
    private readonly Gauge _memoryUsed;
    private readonly Gauge _memoryTotal;
    private readonly Gauge _temperature;
    private readonly Gauge _power;
    private readonly Counter _energy;
    private readonly Gauge _processes;
    private readonly Gauge _held;
    private readonly Gauge _running;
    private readonly Gauge _waiting;
    private readonly Gauge _cacheUse;
    private readonly Counter _latencySeconds;
    private readonly Counter _latencyRequests;
    private readonly Counter _samples;
    private readonly Gauge _pause;
    private readonly Counter _readSeconds;
    private readonly Counter _cpu;
    private readonly Gauge _resident;
    private readonly Counter _listFailures;
    private readonly Counter _scrapes;
    private readonly Counter _skippedLines;
    private readonly Counter _posts;
    private readonly Counter _refused;
    private readonly Gauge _kept;
    private readonly Gauge _lastSeq;
    private readonly Counter _corrupt;
    private readonly Counter _dropped;
    private readonly Gauge _journalFault;
    private readonly Gauge _certificates;

    public AgentMetrics()
    {
        _factory = Metrics.WithCustomRegistry(_registry);
        _factory.ExemplarBehavior = ExemplarBehavior.NoExemplars();
        string[] model = ["namespace", "pod", "model"];
        _buildInfo = Gauge("bursar_agent_build_info", "Always 1; the labels name the version and the node.", "version", "node");
        _state = Gauge("bursar_agent_gpu_state", "1 for the state of the node's GPU driver: no-library, no-driver or ready.", "state");
        _deviceInfo = Gauge("bursar_agent_gpu_info", "Always 1; the labels name the device.", "uuid", "name", "parent");
        _lost = Gauge("bursar_agent_gpu_lost", "1 when the device fell off the bus.", "uuid");
        _utilization = Gauge("bursar_agent_gpu_utilization_ratio", "Share of the last sample period in which the device worked.", "uuid");
        _memoryUsed = Gauge("bursar_agent_gpu_memory_used_bytes", "Device memory in use.", "uuid");
        _memoryTotal = Gauge("bursar_agent_gpu_memory_total_bytes", "Device memory.", "uuid");
        _temperature = Gauge("bursar_agent_gpu_temperature_celsius", "Temperature of the device.", "uuid");
        _power = Gauge("bursar_agent_gpu_power_watts", "Power draw of the device.", "uuid");
        _energy = Counter("bursar_agent_gpu_energy_joules_total", "Energy since the driver was loaded.", "uuid");
        _processes = Gauge("bursar_agent_gpu_processes", "Compute processes on the device.", "uuid");
        _held = Gauge("bursar_agent_gpu_held", "1 for each pod that holds a device.", "uuid", "namespace", "pod", "container", "reason");
        _running = Gauge("bursar_agent_serving_requests_running", "Requests that a model server is processing.", model);
        _waiting = Gauge("bursar_agent_serving_requests_waiting", "Requests in the queue of a model server.", model);
        _cacheUse = Gauge("bursar_agent_serving_cache_use_ratio", "Share of a model's KV cache in use.", model);
        _latencySeconds = Counter(
            "bursar_agent_serving_latency_seconds_total",
            "Time of a model's ended requests, from arrival to end; divided by their number it is the mean.",
            model
        );
        _latencyRequests = Counter(
            "bursar_agent_serving_latency_requests_total",
            "Ended requests in bursar_agent_serving_latency_seconds_total.",
            model
        );
        _samples = Counter("bursar_agent_samples_total", "Samples taken.");
        _pause = Gauge("bursar_agent_sample_pause_seconds", "The present pause between samples: longer while nothing changes.");
        _readSeconds = Counter("bursar_agent_gpu_read_seconds_total", "Time spent in the driver's library.");
        _cpu = Counter("process_cpu_seconds_total", "CPU time of this process.");
        _resident = Gauge("process_resident_memory_bytes", "Resident memory of this process.");
        _listFailures = Counter("bursar_agent_pod_resources_failures_total", "Times the kubelet did not list its devices.");
        _scrapes = Counter("bursar_agent_scrapes_total", "Scrapes of pods by outcome.", "outcome");
        _skippedLines = Counter(
            "bursar_agent_skipped_lines_total",
            "Lines of scraped pages that could not be read, by source: pods or dcgm-exporter. The other lines were used.",
            "source"
        );
        _posts = Counter("bursar_agent_progress_posts_total", "Progress posted by pods, by outcome.", "outcome");
        _refused = Counter("bursar_agent_refused_connections_total", "Refused connections to the ports of the operator and of pods.");
        _kept = Gauge("bursar_agent_journal_kept_entries", "Entries in the journal.");
        _lastSeq = Gauge("bursar_agent_journal_last_seq", "The newest sequence number of the journal.");
        _corrupt = Counter("bursar_agent_journal_corrupt_lines_total", "Lines of the journal refused as damaged.");
        _dropped = Counter("bursar_agent_journal_dropped_entries_total", "Entries dropped before the operator read them.");
        _journalFault = Gauge("bursar_agent_journal_fault", "1 while the journal cannot be written to disk.");
        _certificates = Gauge("bursar_agent_certificates_ready", "1 when the port of the operator has its certificates.");
    }

    public IReadOnlyList<Collector> Families => _families;

    /// <summary>Writes the page of <c>/metrics</c>.</summary>
    internal Task WriteAsync(Stream stream, CancellationToken cancellationToken) =>
        _registry.CollectAndExportAsTextAsync(stream, cancellationToken);

    internal void Process(string node, string version)
    {
        _buildInfo.WithLabels(version, node).Set(1);
        _cpu.IncTo(Environment.CpuUsage.TotalTime.TotalSeconds);
        _resident.Set(Environment.WorkingSet);
    }

    /// <param name="view">The latest sample; null before the first one.</param>
    internal void Devices(SamplerView? view, Func<NvmlState, string> text)
    {
        foreach (var one in (NvmlState[])[NvmlState.NoLibrary, NvmlState.NoDriver, NvmlState.Ready])
            _state.WithLabels(text(one)).Set(view?.Gpus.State == one ? 1 : 0);
        foreach (var device in view?.Gpus.Devices ?? [])
        {
            if (device.Uuid.Length == 0)
                continue;
            var uuid = device.Uuid;
            _deviceInfo.WithLabels(uuid, device.Name, device.ParentUuid ?? "").Set(1);
            _lost.WithLabels(uuid).Set(device.Lost ? 1 : 0);
            if (device.Lost)
                continue;
            _processes.WithLabels(uuid).Set(device.Processes.Count);
            if (device.UtilizationPercent is { } percent)
                _utilization.WithLabels(uuid).Set(percent / 100.0);
            if (device.MemoryUsedBytes is { } used)
                _memoryUsed.WithLabels(uuid).Set(used);
            if (device.MemoryTotalBytes is { } total)
                _memoryTotal.WithLabels(uuid).Set(total);
            if (device.TemperatureCelsius is { } celsius)
                _temperature.WithLabels(uuid).Set(celsius);
            if (device.PowerMilliwatts is { } milliwatts)
                _power.WithLabels(uuid).Set(milliwatts / 1000.0);
            if (device.EnergyMillijoules is { } millijoules)
                _energy.WithLabels(uuid).IncTo(millijoules / 1000.0);
        }
        foreach (var holding in view?.Holdings ?? [])
            _held
                .WithLabels(holding.Key.Device, holding.Key.Namespace, holding.Key.Pod, holding.Key.Container, holding.Reason ?? "")
                .Set(1);
    }

    internal void Serving(IEnumerable<PodGauges> pods)
    {
        foreach (var pod in pods)
        foreach (var load in pod.Loads)
        {
            string[] labels = [pod.Namespace, pod.Pod, load.Model];
            if (load.Running is { } running)
                _running.WithLabels(labels).Set(running);
            if (load.Waiting is { } queued)
                _waiting.WithLabels(labels).Set(queued);
            if (load.CacheUse is { } share)
                _cacheUse.WithLabels(labels).Set(share);
            if (load is { LatencySeconds: { } sum, LatencyRequests: { } count })
            {
                _latencySeconds.WithLabels(labels).IncTo(sum);
                _latencyRequests.WithLabels(labels).IncTo(count);
            }
        }
    }

    internal void Sampling(AgentCounters counters, TimeSpan pause, long exporterSkippedLines)
    {
        _samples.IncTo(counters.Samples);
        _pause.Set(pause.TotalSeconds);
        _readSeconds.IncTo(counters.ReadTime.TotalSeconds);
        _listFailures.IncTo(counters.ListFailures);
        foreach (var (outcome, count) in counters.Scrapes)
            _scrapes.WithLabels(outcome).IncTo(count);
        _skippedLines.WithLabels("pods").IncTo(counters.SkippedLines);
        _skippedLines.WithLabels("dcgm-exporter").IncTo(exporterSkippedLines);
        foreach (var (outcome, count) in counters.Posts)
            _posts.WithLabels(outcome).IncTo(count);
        _refused.IncTo(counters.RefusedConnections);
    }

    internal void Journal(UsageJournal journal)
    {
        _kept.Set(journal.KeptEntries);
        _lastSeq.Set(journal.Next - 1);
        _corrupt.IncTo(journal.CorruptLines);
        _dropped.IncTo(journal.DroppedEntries);
        _journalFault.Set(journal.Fault is null ? 0 : 1);
    }

    internal void Certificates(bool ready) => _certificates.Set(ready ? 1 : 0);

    private Gauge Gauge(string name, string help, params string[] labels)
    {
        var gauge = _factory.CreateGauge(name, help, labels);
        _families.Add(gauge);
        return gauge;
    }

    private Counter Counter(string name, string help, params string[] labels)
    {
        var counter = _factory.CreateCounter(name, help, labels);
        _families.Add(counter);
        return counter;
    }
}
