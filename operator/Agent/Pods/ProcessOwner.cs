namespace Bursar.Agent.Pods;

/// <summary>Whose a process is.</summary>
public enum ProcessKind
{
    /// <summary>A pod's, by its cgroup.</summary>
    Pod,

    /// <summary>The node's own: its cgroup names no pod.</summary>
    Host,

    /// <summary>An MPS server: what it does it does for its clients, which the driver lists too.</summary>
    MpsServer,

    /// <summary>Its cgroup could not be read: the process has ended, or the host's /proc is not to be seen.</summary>
    Unknown,
}

/// <param name="Kind">Whose it is.</param>
/// <param name="PodUid">The pod, of <see cref="ProcessKind.Pod"/>.</param>
public readonly record struct ProcessOwner(ProcessKind Kind, string? PodUid = null)
{
    public static readonly ProcessOwner Unknown = new(ProcessKind.Unknown);
}
