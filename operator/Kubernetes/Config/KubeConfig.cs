namespace Bursar.Kubernetes.Config;

/// <summary>
/// The way to one API server: address, trust, identity. Values given as files are read when used, and again when they change.
/// </summary>
public sealed record KubeConfig
{
    public const string ServiceAccountDirectory = "/var/run/secrets/kubernetes.io/serviceaccount";

    public required Uri Server { get; init; }

    /// <summary>Namespace of the context, or of the pod.</summary>
    public string? Namespace { get; init; }

    /// <summary>PEM of the only authorities that are trusted; null with no file either: the system's.</summary>
    public string? CertificateAuthorityPem { get; init; }

    public string? CertificateAuthorityFile { get; init; }

    public bool InsecureSkipTlsVerify { get; init; }

    /// <summary>The name to ask for and to find in the server's certificate, where it differs from the address.</summary>
    public string? TlsServerName { get; init; }

    public string? ClientCertificatePem { get; init; }

    public string? ClientCertificateFile { get; init; }

    public string? ClientKeyPem { get; init; }

    public string? ClientKeyFile { get; init; }

    public string? Token { get; init; }

    public string? TokenFile { get; init; }

    public ExecPlugin? Exec { get; init; }

    public Uri? Proxy { get; init; }

    public string? ImpersonateUser { get; init; }

    public IReadOnlyList<string> ImpersonateGroups { get; init; } = [];

    /// <summary>Where this came from, for messages.</summary>
    public string Source { get; init; } = "given";

    /// <summary>
    /// The usual search: the path given, else KUBECONFIG (a list of files, merged), else ~/.kube/config, else the pod's service
    /// account. There is no silent localhost: finding nothing is an exception that names what was looked for.
    /// </summary>
    public static KubeConfig Load(
        string? path = null,
        string? context = null,
        Func<string, string?>? environment = null,
        string serviceAccountDirectory = ServiceAccountDirectory
    )
    {
        environment ??= Environment.GetEnvironmentVariable;
        if (!string.IsNullOrEmpty(path))
            return FromFile(path, context);

        List<string> looked = [];
        string? listed = environment("KUBECONFIG");
        if (!string.IsNullOrEmpty(listed))
        {
            string[] files = listed.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
            string[] there = [.. files.Where(File.Exists)];
            if (there.Length > 0)
                return KubeConfigFiles.Resolve(there, context);
            looked.Add($"KUBECONFIG={listed} (no such file)");
        }
        else
        {
            looked.Add("KUBECONFIG (not set)");
            string home = environment("HOME") ?? "";
            string file = Path.Combine(home, ".kube", "config");
            if (home.Length > 0 && File.Exists(file))
                return KubeConfigFiles.Resolve([file], context);
            looked.Add($"{file} (no such file)");
        }

        if (!string.IsNullOrEmpty(environment("KUBERNETES_SERVICE_HOST")))
            return InCluster(environment, serviceAccountDirectory);
        looked.Add("the service account of a pod (KUBERNETES_SERVICE_HOST is not set)");
        throw new KubeConfigException($"No way to a Kubernetes API server was found. Looked for: {string.Join("; ", looked)}.");
    }

    public static KubeConfig FromFile(string path, string? context = null) =>
        File.Exists(path) ? KubeConfigFiles.Resolve([path], context) : throw new KubeConfigException($"There is no kubeconfig at {path}.");

    /// <summary>Identity and address as a pod has them.</summary>
    public static KubeConfig InCluster(Func<string, string?>? environment = null, string serviceAccountDirectory = ServiceAccountDirectory)
    {
        environment ??= Environment.GetEnvironmentVariable;
        string? host = environment("KUBERNETES_SERVICE_HOST");
        string? port = environment("KUBERNETES_SERVICE_PORT");
        string token = Path.Combine(serviceAccountDirectory, "token");
        string authority = Path.Combine(serviceAccountDirectory, "ca.crt");
        string ns = Path.Combine(serviceAccountDirectory, "namespace");
        if (string.IsNullOrEmpty(host) || string.IsNullOrEmpty(port))
            throw new KubeConfigException("Not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not both set.");
        if (!File.Exists(token))
            throw new KubeConfigException($"In a pod without a service account token: {token} does not exist.");
        if (!File.Exists(authority))
            throw new KubeConfigException($"In a pod without the cluster's authority: {authority} does not exist.");
        return new KubeConfig
        {
            Server = new Uri($"https://{(host.Contains(':', StringComparison.Ordinal) ? $"[{host}]" : host)}:{port}/"),
            TokenFile = token,
            CertificateAuthorityFile = authority,
            Namespace = File.Exists(ns) ? File.ReadAllText(ns).Trim() : null,
            Source = $"service account in {serviceAccountDirectory}",
        };
    }
}

/// <summary>There is no usable way to an API server; the message says what was looked for.</summary>
public sealed class KubeConfigException(string message, Exception? innerException = null) : Exception(message, innerException);
