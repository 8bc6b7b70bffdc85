using System.Globalization;

namespace Bursar.Agent.Pods;

/// <summary>
/// Resolves the UID of a pod that PodResources knows by name only, from the operator's targets, the pod's log directory or the cgroup of
/// a process on the pod's device. It also finds the owner of a process. Ambiguous cases stay unresolved, because an interval without
/// a UID is better than one on the wrong pod. Not safe for concurrent use.
/// </summary>
public sealed class PodUidResolver
{
    /// <summary>How long the list of log directories is cached; a recreated pod has a new directory.</summary>
    private static readonly TimeSpan LogsCacheTime = TimeSpan.FromSeconds(10);

    /// <summary>How long the owner of a process is cached. Process ids are reused, but not that soon.</summary>
    private static readonly TimeSpan OwnerCacheTime = TimeSpan.FromSeconds(30);

    /// <summary>A process whose cgroup could not be read is read again at the next sample.</summary>
    private static readonly TimeSpan UnknownCacheTime = TimeSpan.FromMilliseconds(900);

    private readonly TargetStore _targets;
    private readonly string? _logRoot;
    private readonly string? _procRoot;
    private readonly TimeProvider _time;
    private readonly Dictionary<int, (ProcessOwner Owner, DateTimeOffset At)> _owners = [];
    private PodLogs _logs = new();
    private DateTimeOffset? _logsAt;

    /// <param name="targets">The operator's targets.</param>
    /// <param name="logRoot">The host's <c>/var/log/pods</c>, or null.</param>
    /// <param name="procRoot">The host's <c>/proc</c>, or null.</param>
    /// <param name="time">The clock.</param>
    public PodUidResolver(TargetStore targets, string? logRoot, string? procRoot, TimeProvider time)
    {
        this._targets = targets;
        this._logRoot = logRoot;
        this._procRoot = procRoot;
        this._time = time;
    }

    /// <summary>Returns the pod's UID, or null if it is unknown or ambiguous.</summary>
    /// <param name="ns">The pod's namespace.</param>
    /// <param name="name">The pod's name.</param>
    /// <param name="pids">Processes on a device that this pod alone holds.</param>
    public string? Resolve(string ns, string name, IEnumerable<int> pids)
    {
        string? target = _targets.FindUid(ns, name);
        var directories = Logs().Uids(ns, name);
        string? running = Running(ns, name, pids);
        // A StatefulSet reuses names, and the operator may not have seen the new pod yet. The process on the device then belongs to the
        // new pod, whose directory exists.
        if (target is not null)
            return running is not null && running != target && directories.Contains(running) ? running : target;
        return directories.Count == 1 ? directories[0]
            : directories.Count > 1
                ? running is not null && directories.Contains(running) ? running
                    : null
            : running;
    }

    /// <summary>Returns the owner of a process by its cgroup.</summary>
    public ProcessOwner PodOf(int pid)
    {
        if (_procRoot is null)
            return ProcessOwner.Unknown;
        var now = _time.GetUtcNow();
        if (
            _owners.TryGetValue(pid, out var known)
            && now >= known.At
            && now - known.At < (known.Owner.Kind == ProcessKind.Unknown ? UnknownCacheTime : OwnerCacheTime)
        )
        {
            return known.Owner;
        }
        if (_owners.Count > 8192)
            _owners.Clear();
        var owner = Find(pid);
        _owners[pid] = (owner, now);
        return owner;
    }

    /// <summary>Returns the pod's namespace and name from the operator's targets or the log directories; null if unknown.</summary>
    public (string Namespace, string Name)? NameOf(string uid) =>
        _targets.Find(uid) is { } target ? (target.Namespace, target.Name) : Logs().NameOf(uid);

    private ProcessOwner Find(int pid)
    {
        string folder = Path.Combine(_procRoot!, pid.ToString(CultureInfo.InvariantCulture));
        string cgroup = Path.Combine(folder, "cgroup"),
            comm = Path.Combine(folder, "comm");
        // Many processes end before this line, and an exception for each would cost more than the sample.
        if (!File.Exists(cgroup))
            return ProcessOwner.Unknown;
        try
        {
            string text = File.ReadAllText(cgroup);
            // The kernel truncates nvidia-cuda-mps-server to 15 characters.
            return File.Exists(comm) && File.ReadAllText(comm).StartsWith("nvidia-cuda-mps", StringComparison.Ordinal)
                    ? new ProcessOwner(ProcessKind.MpsServer)
                : CgroupPath.FindPodUid(text) is { } uid ? new ProcessOwner(ProcessKind.Pod, Canonical(uid))
                : new ProcessOwner(CgroupPath.NamesPods(text) ? ProcessKind.Unknown : ProcessKind.Host);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The process has just ended, or its files are not readable.
            return ProcessOwner.Unknown;
        }
    }

    /// <summary>True if the pod is among the operator's targets, which contain no pods that have ended.</summary>
    public bool IsLive(string ns, string name) => _targets.FindUid(ns, name) is not null;

    /// <summary>
    /// Maps the hash in a static pod's cgroup to the UID of its mirror pod, which the API server uses. Other UIDs are returned unchanged.
    /// </summary>
    private string Canonical(string uid) =>
        uid.Contains('-', StringComparison.Ordinal) || Logs().NameOf(uid) is not { } name
            ? uid
            : _targets.FindUid(name.Namespace, name.Name) ?? uid;

    private PodLogs Logs()
    {
        var now = _time.GetUtcNow();
        if (_logsAt is not { } at || now - at >= LogsCacheTime || now < at)
        {
            _logs = PodLogs.Read(_logRoot);
            _logsAt = now;
        }
        return _logs;
    }

    /// <summary>Returns the pod of the processes; null if they belong to several pods or only to pods of another name.</summary>
    private string? Running(string ns, string name, IEnumerable<int> pids)
    {
        string? found = null;
        foreach (int pid in pids)
        {
            if (PodOf(pid) is not { Kind: ProcessKind.Pod, PodUid: { } uid } || (NameOf(uid) is { } other && other != (ns, name)))
                continue;
            if (found is not null && found != uid)
                return null;
            found = uid;
        }
        return found;
    }
}
