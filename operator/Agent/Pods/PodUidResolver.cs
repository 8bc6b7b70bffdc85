using System.Globalization;

namespace Bursar.Agent.Pods;

/// <summary>
/// Finds the UID of a pod that PodResources knows by name only: in the operator's list, else by the pod's log directory, else by
/// the cgroup of a process on the pod's device; and finds whose a process is. What is ambiguous stays unresolved: an interval
/// without a UID is better than one on the wrong pod.
/// </summary>
public sealed class PodUidResolver
{
    /// <summary>How long an answer from the disk is believed; a pod that was recreated under its name has a new directory.</summary>
    private static readonly TimeSpan DiskAnswerLife = TimeSpan.FromSeconds(10);

    /// <summary>How long a process is believed to be whose it was: its number may come again, but not soon.</summary>
    private static readonly TimeSpan OwnerCacheTime = TimeSpan.FromSeconds(30);

    /// <summary>A process whose cgroup was not to be read is looked at again at the next sample.</summary>
    private static readonly TimeSpan UnknownLife = TimeSpan.FromMilliseconds(900);

    private readonly TargetStore _targets;
    private readonly string? _logRoot;
    private readonly string? _procRoot;
    private readonly TimeProvider _time;
    private readonly Dictionary<int, (ProcessOwner Owner, DateTimeOffset At)> _owners = [];
    private PodLogs _logs = new();
    private DateTimeOffset? _logsAt;

    /// <param name="targets">What the operator told.</param>
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

    /// <param name="ns">The pod's namespace.</param>
    /// <param name="name">The pod's name.</param>
    /// <param name="pids">Processes on a device that this pod alone holds.</param>
    public string? Resolve(string ns, string name, IEnumerable<int> pids)
    {
        string? told = _targets.FindUid(ns, name);
        var directories = Logs().Uids(ns, name);
        string? running = Running(ns, name, pids);
        // A name is used again (StatefulSets) before the operator has heard of it: the process on the device is of the new pod, and
        // the kubelet has made that pod's directory.
        if (told is not null)
            return running is not null && running != told && directories.Contains(running) ? running : told;
        return directories.Count == 1 ? directories[0]
            : directories.Count > 1
                ? running is not null && directories.Contains(running) ? running
                    : null
            : running;
    }

    /// <summary>Whose process it is, by its cgroup.</summary>
    public ProcessOwner PodOf(int pid)
    {
        if (_procRoot is null)
            return ProcessOwner.Unknown;
        var now = _time.GetUtcNow();
        if (
            _owners.TryGetValue(pid, out var known)
            && now >= known.At
            && now - known.At < (known.Owner.Kind == ProcessKind.Unknown ? UnknownLife : OwnerCacheTime)
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

    /// <summary>The pod's namespace and name, as the operator or the kubelet's directories tell.</summary>
    public (string Namespace, string Name)? NameOf(string uid) =>
        _targets.Find(uid) is { } told ? (told.Namespace, told.Name) : Logs().NameOf(uid);

    private ProcessOwner Find(int pid)
    {
        string folder = Path.Combine(_procRoot!, pid.ToString(CultureInfo.InvariantCulture));
        string cgroup = Path.Combine(folder, "cgroup"),
            comm = Path.Combine(folder, "comm");
        // Processes end between the driver's list and this line, and an exception for each would cost more than the sample.
        if (!File.Exists(cgroup))
            return ProcessOwner.Unknown;
        try
        {
            string text = File.ReadAllText(cgroup);
            // The kernel keeps fifteen characters of nvidia-cuda-mps-server.
            return File.Exists(comm) && File.ReadAllText(comm).StartsWith("nvidia-cuda-mps", StringComparison.Ordinal)
                    ? new ProcessOwner(ProcessKind.MpsServer)
                : CgroupPath.FindPodUid(text) is { } uid ? new ProcessOwner(ProcessKind.Pod, Canonical(uid))
                : new ProcessOwner(CgroupPath.NamesPods(text) ? ProcessKind.Unknown : ProcessKind.Host);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // It ended in this very moment, or is not to be seen from here.
            return ProcessOwner.Unknown;
        }
    }

    /// <summary>The operator has told of a pod of this name; it tells of none that has ended.</summary>
    public bool IsLive(string ns, string name) => _targets.FindUid(ns, name) is not null;

    /// <summary>The API knows a static pod by its mirror's UID, its cgroup by the hash of its file.</summary>
    private string Canonical(string uid) =>
        uid.Contains('-', StringComparison.Ordinal) || Logs().NameOf(uid) is not { } name
            ? uid
            : _targets.FindUid(name.Namespace, name.Name) ?? uid;

    private PodLogs Logs()
    {
        var now = _time.GetUtcNow();
        if (_logsAt is not { } at || now - at >= DiskAnswerLife || now < at)
        {
            _logs = PodLogs.Read(_logRoot);
            _logsAt = now;
        }
        return _logs;
    }

    /// <summary>The one pod that the processes are of; null when they are of several, or of a pod of another name.</summary>
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
