using System.Text.RegularExpressions;

namespace Bursar.Agent.Pods;

/// <summary>
/// Finds the pod's UID in <c>/proc/&lt;pid&gt;/cgroup</c>, for example
/// <c>0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod5f6c…_….slice/cri-containerd-….scope</c>. The
/// systemd driver writes the UID's dashes as underscores.
/// </summary>
public static partial class CgroupPath
{
    /// <summary>
    /// Returns null if no line names a pod, or lines name several. In one line the first counts, because further ones belong to a cluster
    /// inside the pod.
    /// </summary>
    public static string? FindPodUid(string text)
    {
        string? found = null;
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            foreach (var match in PodPart().EnumerateMatches(line))
            {
                string uid = line.Slice(match.Index + Prefix.Length, match.Length - Prefix.Length).ToString().Replace('_', '-');
                if (found is not null && found != uid)
                    return null;
                found = uid;
                break;
            }
        }
        return found;
    }

    /// <summary>True if the text names at least one pod.</summary>
    public static bool NamesPods(string text) => PodPart().IsMatch(text);

    private const string Prefix = "pod";

    // The UID of a pod, or the 32 hexadecimal digits of a static pod's hash.
    [GeneratedRegex("pod(?:[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})(?![0-9a-f_-])")]
    private static partial Regex PodPart();
}
