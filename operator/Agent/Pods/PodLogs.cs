namespace Bursar.Agent.Pods;

/// <summary>
/// The pods of the node by the kubelet's log directories (<c>&lt;namespace&gt;_&lt;name&gt;_&lt;uid&gt;</c>). It includes pods that are not
/// among the operator's targets. The UID of a static pod is its hash here.
/// </summary>
internal sealed class PodLogs
{
    private readonly Dictionary<(string Namespace, string Name), List<string>> _uids = [];
    private readonly Dictionary<string, (string Namespace, string Name)> _names = new(StringComparer.Ordinal);

    public static PodLogs Read(string? root)
    {
        var logs = new PodLogs();
        if (root is null || !Directory.Exists(root))
            return logs;
        try
        {
            foreach (string path in Directory.EnumerateDirectories(root))
            {
                // Neither a namespace nor a pod's name nor a UID has an underscore.
                string[] parts = Path.GetFileName(path).Split('_');
                if (parts.Length != 3 || parts[2].Length == 0)
                    continue;
                var name = (parts[0], parts[1]);
                if (!logs._uids.TryGetValue(name, out var list))
                    logs._uids[name] = list = [];
                list.Add(parts[2]);
                logs._names[parts[2]] = name;
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The kubelet may remove the directory, or it may not be readable.
            return new PodLogs();
        }
        return logs;
    }

    /// <summary>Returns the pod's UIDs. There are several while the directory of an earlier pod of the same name still exists.</summary>
    public IReadOnlyList<string> Uids(string ns, string name) => _uids.TryGetValue((ns, name), out var list) ? list : [];

    public (string Namespace, string Name)? NameOf(string uid) => _names.TryGetValue(uid, out var name) ? name : null;
}
