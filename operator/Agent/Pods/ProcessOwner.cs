namespace Bursar.Agent.Pods;

/// <summary>The kind of owner of a process.</summary>
public enum ProcessKind
{
    /// <summary>A pod, by the cgroup of the process.</summary>
    Pod,

    /// <summary>The node itself; the cgroup names no pod.</summary>
    Host,

    /// <summary>An MPS server. It works for its clients, which the driver lists too.</summary>
    MpsServer,

    /// <summary>The cgroup could not be read, because the process has ended or the host's /proc is not mounted.</summary>
    Unknown,
}

/// <param name="Kind">The kind of the owner.</param>
/// <param name="PodUid">The pod's UID if <paramref name="Kind"/> is <see cref="ProcessKind.Pod"/>, else null.</param>
public readonly record struct ProcessOwner(ProcessKind Kind, string? PodUid = null)
{
    public static readonly ProcessOwner Unknown = new(ProcessKind.Unknown);
}
