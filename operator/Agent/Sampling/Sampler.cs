using Bursar.Agent.Journal;
using Bursar.Agent.Nvml;
using Bursar.Agent.PodResources;
using Bursar.Agent.Pods;
using Bursar.Concurrency;
using Microsoft.Extensions.Logging;

namespace Bursar.Agent.Sampling;

/// <summary>What the sampler saw last.</summary>
/// <param name="At">When.</param>
/// <param name="Gpus">The devices.</param>
/// <param name="Holdings">Who held them.</param>
public sealed record SamplerView(DateTimeOffset At, GpuSnapshot Gpus, IReadOnlyList<DeviceHolding> Holdings);

/// <summary>
/// Reads the devices once a second, and less often while nothing changes; asks the kubelet every five. What it makes of that goes
/// into the journal.
/// <para>
/// The rule: a sample that shows what the one before it showed (devices, holders, processes, utilisation) doubles the pause, up to
/// ten seconds; the first that shows anything else brings it back to one. Totals do not suffer: energy and the processes' use are
/// the driver's own counts since the last sample, and utilisation over a pause is the mean of its two ends.
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

    /// <summary>How often the kubelet is asked for its list.</summary>
    public static readonly TimeSpan ListEvery = TimeSpan.FromSeconds(5);

    /// <summary>How long a list is believed when the kubelet stops answering: a restart of it takes less.</summary>
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

    /// <summary>A sample has been taken.</summary>
    public event Action? Changed;

    /// <summary>How long the sampler pauses at the moment.</summary>
    public TimeSpan Pause { get; private set; } = Shortest;

    /// <summary>Why the kubelet's list is not to be had, or null.</summary>
    public string? ListFault => _listFault;

    /// <summary>Samples until cancelled; then closes and journals what is open.</summary>
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
        journal.Append([.. _accumulator.CloseAll().Select(JournalEntry.Of)]);
    }

    /// <summary>One sample: read, attribute, journal.</summary>
    public async Task SampleAsync(CancellationToken cancellationToken)
    {
        // After a pause, who holds what must be of the same moment as the readings.
        if (_view is { } last && time.GetUtcNow() - last.At > UsageAccumulator.Trailing)
            _nextList = DateTimeOffset.MinValue;
        await ListAsync(cancellationToken);
        long begun = time.GetTimestamp();
        var snapshot = gpus.Read();
        counters.DevicesRead(time.GetElapsedTime(begun));
        var now = time.GetUtcNow();
        long stamp = time.GetTimestamp();
        // The clock was set ahead, or the node slept: that is no time in which a device could have worked.
        if (_view is { } earlier && now - earlier.At - time.GetElapsedTime(_sampledAt, stamp) > UsageAccumulator.Trailing)
            journal.Append([.. _accumulator.Break().Select(JournalEntry.Of)]);
        _sampledAt = stamp;
        if (_view?.Gpus.State != snapshot.State)
            LogState(snapshot.State, snapshot.StateText);
        var holdings = DeviceHoldings.Of(_devices, snapshot, _pods);
        string unlisted = Unlisted(snapshot, holdings);
        if (unlisted.Length > 0 && unlisted != _lastUnlisted)
        {
            // A pod has just begun: its second is not to wait for the kubelet's turn. Once for each device, since it may be the node's own
            // work.
            _nextList = DateTimeOffset.MinValue;
            await ListAsync(cancellationToken);
            holdings = DeviceHoldings.Of(_devices, snapshot, _pods);
            unlisted = Unlisted(snapshot, holdings);
        }
        _lastUnlisted = unlisted;
        journal.Append([.. _accumulator.Take(now, holdings, snapshot, _pods.OwnerOf, UnusedCacheOf).Select(JournalEntry.Of)]);
        _view = new SamplerView(now, snapshot, holdings);
        counters.Sampled();
        Changed?.Invoke();
    }

    /// <summary>The devices that work and that the kubelet gave to no pod.</summary>
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

    [LoggerMessage(Level = LogLevel.Information, Message = "GPUs: {State}, {Word}")]
    private partial void LogState(NvmlState state, string word);

    [LoggerMessage(Level = LogLevel.Information, Message = "PodResources: the kubelet lists {Devices} GPU device ids")]
    private partial void LogListed(int devices);

    [LoggerMessage(Level = LogLevel.Warning, Message = "PodResources: {Fault}")]
    private partial void LogListFailed(string fault);
}
