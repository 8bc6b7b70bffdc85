using System.Text;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Bursar.Kubernetes.Config;

/// <summary>Reads and merges kubeconfig files. Of entries with the same name, and of current contexts, the first wins.</summary>
internal static class KubeConfigFiles
{
    public static KubeConfig Resolve(IReadOnlyList<string> files, string? context)
    {
        Dictionary<string, Entry> clusters = [],
            users = [],
            contexts = [];
        string? current = context;
        foreach (string file in files)
        {
            YamlMappingNode? root = Parse(file);
            if (root is null)
                continue;
            Collect(root, "clusters", "cluster", file, clusters);
            Collect(root, "users", "user", file, users);
            Collect(root, "contexts", "context", file, contexts);
            if (string.IsNullOrEmpty(current))
                current = Text(root, "current-context");
        }

        string source = string.Join(Path.PathSeparator, files);
        if (string.IsNullOrEmpty(current))
        {
            throw new KubeConfigException(
                contexts.Count == 0
                    ? $"{source} has no contexts."
                    : $"{source} has no current-context; it knows {string.Join(", ", contexts.Keys.Order(StringComparer.Ordinal))}."
            );
        }

        Entry chosen = Find(contexts, current, "context", source);
        Entry cluster = Find(clusters, Text(chosen.Node, "cluster") ?? "", "cluster", source);
        string? userName = Text(chosen.Node, "user");
        Entry user = string.IsNullOrEmpty(userName) ? new Entry([], cluster.File) : Find(users, userName, "user", source);
        if (!Uri.TryCreate(Text(cluster.Node, "server"), UriKind.Absolute, out Uri? server) || server.Scheme is not ("https" or "http"))
            throw new KubeConfigException($"The cluster of context {current} in {cluster.File} has no usable server address.");
        foreach (string foreign in (string[])["username", "auth-provider"])
        {
            if (user.Node.Children.ContainsKey(new YamlScalarNode(foreign)))
                throw new KubeConfigException(
                    $"User {userName} in {user.File} signs in by {foreign}, which Kubernetes has dropped; use a token, a certificate or an exec plugin."
                );
        }

        return new KubeConfig
        {
            Server = server,
            Namespace = Text(chosen.Node, "namespace"),
            CertificateAuthorityPem = Decoded(cluster, "certificate-authority-data"),
            CertificateAuthorityFile = FileAt(cluster, "certificate-authority"),
            InsecureSkipTlsVerify = Text(cluster.Node, "insecure-skip-tls-verify") == "true",
            TlsServerName = Text(cluster.Node, "tls-server-name"),
            Proxy = Uri.TryCreate(Text(cluster.Node, "proxy-url"), UriKind.Absolute, out Uri? proxy) ? proxy : null,
            ClientCertificatePem = Decoded(user, "client-certificate-data"),
            ClientCertificateFile = FileAt(user, "client-certificate"),
            ClientKeyPem = Decoded(user, "client-key-data"),
            ClientKeyFile = FileAt(user, "client-key"),
            Token = Text(user.Node, "token"),
            TokenFile = FileAt(user, "tokenFile"),
            ImpersonateUser = Text(user.Node, "as"),
            ImpersonateGroups = [.. List(user.Node, "as-groups").OfType<YamlScalarNode>().Select(node => node.Value ?? "")],
            Exec = Exec(user),
            Source = $"context {current} of {source}",
        };
    }

    private static YamlMappingNode? Parse(string file)
    {
        try
        {
            using StreamReader text = new(file, Encoding.UTF8);
            YamlStream yaml = [];
            yaml.Load(text);
            return yaml.Documents.Count == 0 ? null : yaml.Documents[0].RootNode as YamlMappingNode;
        }
        catch (Exception broken) when (broken is YamlException or IOException or UnauthorizedAccessException)
        {
            throw new KubeConfigException($"The kubeconfig {file} cannot be read: {broken.Message}", broken);
        }
    }

    private static void Collect(YamlMappingNode root, string list, string part, string file, Dictionary<string, Entry> into)
    {
        foreach (YamlMappingNode item in List(root, list).OfType<YamlMappingNode>())
        {
            if (
                Text(item, "name") is { } name
                && item.Children.TryGetValue(new YamlScalarNode(part), out YamlNode? node)
                && node is YamlMappingNode mapping
            )
                into.TryAdd(name, new Entry(mapping, file));
        }
    }

    private static Entry Find(Dictionary<string, Entry> entries, string name, string part, string source) =>
        entries.TryGetValue(name, out Entry? entry) ? entry : throw new KubeConfigException($"{source} has no {part} named '{name}'.");

    private static string? Text(YamlMappingNode node, string key) =>
        node.Children.TryGetValue(new YamlScalarNode(key), out YamlNode? value) && value is YamlScalarNode { Value: { Length: > 0 } text }
            ? text
            : null;

    private static IEnumerable<YamlNode> List(YamlMappingNode node, string key) =>
        node.Children.TryGetValue(new YamlScalarNode(key), out YamlNode? value) && value is YamlSequenceNode list ? list.Children : [];

    private static string? Decoded(Entry entry, string key)
    {
        if (Text(entry.Node, key) is not { } text)
            return null;
        try
        {
            return Encoding.UTF8.GetString(Convert.FromBase64String(text));
        }
        catch (FormatException broken)
        {
            throw new KubeConfigException($"{key} in {entry.File} is not base64.", broken);
        }
    }

    /// <summary>Returns the full path of a file. Paths are relative to the kubeconfig that contains them.</summary>
    private static string? FileAt(Entry entry, string key) =>
        Text(entry.Node, key) is { } path ? Path.GetFullPath(path, Path.GetDirectoryName(Path.GetFullPath(entry.File))!) : null;

    private static ExecPlugin? Exec(Entry user)
    {
        if (!user.Node.Children.TryGetValue(new YamlScalarNode("exec"), out YamlNode? node) || node is not YamlMappingNode exec)
            return null;
        string command = Text(exec, "command") ?? throw new KubeConfigException($"An exec plugin in {user.File} has no command.");
        if (command.Contains('/', StringComparison.Ordinal))
            command = Path.GetFullPath(command, Path.GetDirectoryName(Path.GetFullPath(user.File))!);
        string version = Text(exec, "apiVersion") ?? "";
        if (version is not ("client.authentication.k8s.io/v1" or "client.authentication.k8s.io/v1beta1"))
            throw new KubeConfigException(
                $"The exec plugin {command} in {user.File} speaks '{version}'; client.authentication.k8s.io/v1 is understood."
            );
        return new ExecPlugin
        {
            Command = command,
            ApiVersion = version,
            Arguments = [.. List(exec, "args").OfType<YamlScalarNode>().Select(argument => argument.Value ?? "")],
            Environment =
            [
                .. List(exec, "env")
                    .OfType<YamlMappingNode>()
                    .Where(variable => Text(variable, "name") is not null)
                    .Select(variable => KeyValuePair.Create(Text(variable, "name")!, Text(variable, "value") ?? "")),
            ],
            InstallHint = Text(exec, "installHint"),
            ProvideClusterInfo = Text(exec, "provideClusterInfo") == "true",
        };
    }

    private sealed record Entry(YamlMappingNode Node, string File);
}
