namespace Bursar.Agent.Pods;

/// <summary>
/// Finds the UID of a pod that PodResources knows by name only: in the operator's list, else by the pod's log directory
/// (<c>&lt;namespace&gt;_&lt;name&gt;_&lt;uid&gt;</c>), else by the cgroup of a process on the pod's device. What is ambiguous stays
/// unresolved: an interval without a UID is better than one on the wrong pod.
/// </summary>
public sealed class PodUidResolver
{
    /// <summary>How long an answer from the disk is believed; a pod that was recreated under its name has a new directory.</summary>
    private static readonly TimeSpan DiskAnswerLife = TimeSpan.FromSeconds(10);

    private readonly TargetStore targets;
    private readonly string? logRoot;
    private readonly string? procRoot;
    private readonly TimeProvider time;
    private readonly Dictionary<(string, string), (string? Uid, DateTimeOffset At)> answers = [];

    /// <param name="targets">What the operator told.</param>
    /// <param name="logRoot">The host's <c>/var/log/pods</c>, or null.</param>
    /// <param name="procRoot">The host's <c>/proc</c>, or null.</param>
    /// <param name="time">The clock.</param>
    public PodUidResolver(TargetStore targets, string? logRoot, string? procRoot, TimeProvider time)
    {
        this.targets = targets;
        this.logRoot = logRoot;
        this.procRoot = procRoot;
        this.time = time;
    }

    /// <param name="ns">The pod's namespace.</param>
    /// <param name="name">The pod's name.</param>
    /// <param name="pids">Processes on a device that this pod alone holds.</param>
    public string? Resolve(string ns, string name, IEnumerable<int> pids)
    {
        if (targets.FindUid(ns, name) is { } told)
            return told;
        var now = time.GetUtcNow();
        if (answers.TryGetValue((ns, name), out var answer) && now - answer.At < DiskAnswerLife && now >= answer.At)
            return answer.Uid;
        string? uid = FromLogs(ns, name) ?? FromProcesses(pids);
        if (answers.Count > 4096)
            answers.Clear();
        answers[(ns, name)] = (uid, now);
        return uid;
    }

    private string? FromLogs(string ns, string name)
    {
        if (logRoot is null || !Directory.Exists(logRoot))
            return null;
        string prefix = $"{ns}_{name}_";
        string? found = null;
        try
        {
            foreach (string path in Directory.EnumerateDirectories(logRoot))
            {
                string directory = Path.GetFileName(path);
                if (!directory.StartsWith(prefix, StringComparison.Ordinal))
                    continue;
                if (found is not null)
                    return null;
                found = directory[prefix.Length..];
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The directory is the kubelet's: it may vanish or be closed to us, and then tells nothing.
            return null;
        }
        return string.IsNullOrEmpty(found) ? null : found;
    }

    private string? FromProcesses(IEnumerable<int> pids)
    {
        if (procRoot is null)
            return null;
        string? found = null;
        foreach (int pid in pids)
        {
            string text;
            try
            {
                text = File.ReadAllText(Path.Combine(procRoot, pid.ToString(), "cgroup"));
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // Processes end between the driver's list and this line.
                continue;
            }
            if (CgroupPath.FindPodUid(text) is not { } uid)
                continue;
            if (found is not null && found != uid)
                return null;
            found = uid;
        }
        return found;
    }
}
