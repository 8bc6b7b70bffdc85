using Bursar.Kubernetes.Objects;

namespace Bursar.Sandbox.Nodes;

/// <summary>The folders that a kubelet provides to an agent: the mounted Secret, and the pods' log directories by node.</summary>
internal sealed class AgentFolders : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("bursar-nodes-").FullName;

    public AgentFolders() => Directory.CreateDirectory(Certificates);

    public string Certificates => Path.Combine(_root, "tls");

    public string Logs(string node) => Path.Combine(_root, "logs", node);

    /// <summary>Writes the Secret's values and deletes the files of other keys. Null deletes all.</summary>
    public void Mount(V1Secret? secret)
    {
        foreach (var file in Directory.EnumerateFiles(Certificates))
        {
            if (secret is null || !secret.Data.ContainsKey(Path.GetFileName(file)))
                File.Delete(file);
        }

        foreach (var (name, value) in secret?.Data ?? new Dictionary<string, byte[]>())
        {
            // Replace the file atomically, because the agent may read at any time.
            var temporary = Path.Combine(_root, Path.GetRandomFileName());
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            using (var stream = new FileStream(temporary, options))
                stream.Write(value);
            File.Move(temporary, Path.Combine(Certificates, Path.GetFileName(name)), overwrite: true);
        }
    }

    public void AddLog(string node, NodePod pod) => Directory.CreateDirectory(LogOf(node, pod));

    public void RemoveLog(string node, NodePod pod)
    {
        if (Directory.Exists(LogOf(node, pod)))
            Directory.Delete(LogOf(node, pod), recursive: true);
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private string LogOf(string node, NodePod pod) =>
        Path.Combine(Logs(node), $"{pod.Metadata.Namespace}_{pod.Metadata.Name}_{pod.Metadata.Uid}");
}
