using System.Text.RegularExpressions;

namespace Bursar.Agent.Pods;

/// <summary>
/// The pod's UID in <c>/proc/&lt;pid&gt;/cgroup</c>, for example
/// <c>0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod5f6c…_….slice/cri-containerd-….scope</c>. The
/// systemd driver writes the UID's dashes as underscores.
/// </summary>
public static partial class CgroupPath
{
    /// <summary>Null when no line names a pod, or lines name several.</summary>
    public static string? FindPodUid(string text)
    {
        string? found = null;
        foreach (Match match in PodPart().Matches(text))
        {
            string uid = match.Groups[1].Value.Replace('_', '-');
            if (found is not null && found != uid)
                return null;
            found = uid;
        }
        return found;
    }

    // A UID of the API, or the 32 hexadecimal digits of a static pod's hash.
    [GeneratedRegex("pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})(?![0-9a-f_-])")]
    private static partial Regex PodPart();
}
