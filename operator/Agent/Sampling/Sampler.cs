using Bursar.Agent.Journal;
using Bursar.Agent.Nvml;
using Bursar.Agent.PodResources;
using Bursar.Agent.Pods;
using Bursar.Concurrency;
using Microsoft.Extensions.Logging;

namespace Bursar.Agent.Sampling;

/// <summary>The latest sample.</summary>
public sealed record SamplerView(DateTimeOffset At, GpuSnapshot Gpus, IReadOnlyList<DeviceHolding> Holdings);

/// <summary>
/// Reads the devices once per second and the kubelet's list every five seconds, and journals the usage.
/// <para>
/// A sample that equals the one before it (devices, holders, processes, utilization) doubles the pause, up to ten seconds. The first
/// that differs resets it to one second. Totals stay right because energy and process utilization are the driver's counts since
/// the last sample, and utilization over a longer pause is the mean of its two ends.
/// </para>
/// </summary>
public sealed partial class Sampler(
    IGpuReader gpus,
    IPodResources podResources,
    PodUidResolver uids,
    UsageJournal journal,
    AgentCounters counters,
    TimeProvider time,
    ILogger<Sampler> logger
)
{
    public static readonly TimeSpan Shortest = TimeSpan.FromSeconds(1);
    public static readonly TimeSpan Longest = TimeSpan.FromSeconds(10);

    public static readonly TimeSpan ListEvery = TimeSpan.FromSeconds(5);

    /// <summary>How long the last list is used while the kubelet does not answer. A restart of the kubelet takes less.</summary>
    public static readonly TimeSpan ListLife = TimeSpan.FromSeconds(60);

    private readonly UsageAccumulator _accumulator = new();
    private readonly PodKnowledge _pods = new(uids);
    private IReadOnlyList<PodDevice> _devices = [];
    private long _sampledAt;
    private DateTimeOffset? _listedAt;
    private DateTimeOffset _nextList = DateTimeOffset.MinValue;
    private string _lastUnlisted = "";
    private volatile SamplerView? _view;
    private volatile string? _listFault = "the kubelet was not read yet";

    /// <summary>Returns the bytes of each GPU that a model server's cache holds unused, by pod UID; null if not known.</summary>
    public Func<string, long?>? UnusedCacheOf { get; set; }

    /// <summary>Null before the first sample.</summary>
    public SamplerView? View => _view;

    /// <summary>Raised after each sample, on the sampler's thread.</summary>
    public event Action? Changed;

    /// <summary>The current pause between samples.</summary>
    public TimeSpan Pause { get; private set; } = Shortest;

    /// <summary>Why the kubelet's list is unavailable; null if the last query succeeded.</summary>
    public string? ListFault => _listFault;

    /// <summary>Samples until cancelled, then closes and journals the open intervals.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await PeriodicLoop.RunAsync(
            time,
            "sampler",
            async token =>
            {
                var before = _view;
                await SampleAsync(token);
                return Pause = before is not null && Same(before, _view!) ? Min(Pause * 2, Longest) : Shortest;
            },
            cancellationToken
        );
        journal.Append([.. _accumulator.CloseAll().Select(JournalEntry.From)]);
    }

    public async Task SampleAsync(CancellationToken cancellationToken)
    {
        // After a longer pause, the kubelet's list must be as recent as the readings.
        if (_view is { } last && time.GetUtcNow() - last.At > UsageAccumulator.Trailing)
            _nextList = DateTimeOffset.MinValue;
        await ListAsync(cancellationToken);
        long begun = time.GetTimestamp();
        var snapshot = gpus.Read();
        counters.DevicesRead(time.GetElapsedTime(begun));
        var now = time.GetUtcNow();
        long stamp = time.GetTimestamp();
        // The clock was set ahead or the node slept; no device can have worked in that time.
        if (_view is { } earlier && now - earlier.At - time.GetElapsedTime(_sampledAt, stamp) > UsageAccumulator.Trailing)
            journal.Append([.. _accumulator.Break().Select(JournalEntry.From)]);
        _sampledAt = stamp;
        if (_view?.Gpus.State != snapshot.State)
            LogState(snapshot.State, snapshot.StateText);
        var holdings = DeviceHoldings.Create(_devices, snapshot, _pods);
        string unlisted = Unlisted(snapshot, holdings);
        if (unlisted.Length > 0 && unlisted != _lastUnlisted)
        {
            // A pod may have just started, so query the kubelet now. This happens once per set of devices, because the process may
            // belong to the node itself.
            _nextList = DateTimeOffset.MinValue;
            await ListAsync(cancellationToken);
            holdings = DeviceHoldings.Create(_devices, snapshot, _pods);
            unlisted = Unlisted(snapshot, holdings);
        }
        _lastUnlisted = unlisted;
        journal.Append([.. _accumulator.Record(now, holdings, snapshot, _pods.OwnerOf, UnusedCacheOf).Select(JournalEntry.From)]);
        _view = new SamplerView(now, snapshot, holdings);
        counters.Sampled();
        Changed?.Invoke();
    }

    /// <summary>The UUIDs of devices that are in use but not allocated to a pod by the kubelet.</summary>
    private static string Unlisted(GpuSnapshot snapshot, List<DeviceHolding> holdings) =>
        string.Join(
            ' ',
            snapshot
                .Devices.Where(r =>
                    (r.UtilizationPercent > 0 || r.Processes.Count > 0) && !holdings.Exists(h => h.Listed && h.Key.Device == r.Uuid)
                )
                .Select(r => r.Uuid)
        );

    private async Task ListAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        if (now < _nextList && now >= _nextList - ListEvery)
            return;
        _nextList = now + ListEvery;
        try
        {
            _devices = await podResources.ListAsync(cancellationToken);
            _listedAt = now;
            if (_listFault is not null)
                LogListed(_devices.Count);
            _listFault = null;
        }
        catch (PodResourcesException exception)
        {
            counters.ListFailed();
            if (_listFault != exception.Message)
                LogListFailed(exception.Message);
            _listFault = exception.Message;
            if (_listedAt is not { } last || now - last > ListLife)
                _devices = [];
        }
    }

    internal static bool Same(SamplerView one, SamplerView other)
    {
        if (
            one.Gpus.State != other.Gpus.State
            || one.Gpus.Devices.Count != other.Gpus.Devices.Count
            || !one.Holdings.SequenceEqual(other.Holdings)
        )
            return false;
        for (int i = 0; i < one.Gpus.Devices.Count; i++)
        {
            var (a, b) = (one.Gpus.Devices[i], other.Gpus.Devices[i]);
            if (
                a.Uuid != b.Uuid
                || a.Lost != b.Lost
                || a.Mig != b.Mig
                || a.UtilizationPercent != b.UtilizationPercent
                || !a.Processes.Select(p => p.Pid).SequenceEqual(b.Processes.Select(p => p.Pid))
            )
            {
                return false;
            }
        }
        return true;
    }

    private static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;

    [LoggerMessage(Level = LogLevel.Information, Message = "GPU driver state changed to {State}: {Reason}")]
    private partial void LogState(NvmlState state, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Listed {Devices} GPU device ids from the kubelet's PodResources API")]
    private partial void LogListed(int devices);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Querying the kubelet's PodResources API failed: {Reason}")]
    private partial void LogListFailed(string reason);
}
