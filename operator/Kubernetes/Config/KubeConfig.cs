namespace Bursar.Kubernetes.Config;

/// <summary>Address, trust and identity for one API server. Files are read when used, and again when they may have changed.</summary>
public sealed record KubeConfig
{
    public const string ServiceAccountDirectory = "/var/run/secrets/kubernetes.io/serviceaccount";

    public required Uri Server { get; init; }

    /// <summary>The namespace of the context or of the pod; null if none is set.</summary>
    public string? Namespace { get; init; }

    /// <summary>PEM of the only trusted certificate authorities. Without it and a file, the system's authorities are trusted.</summary>
    public string? CertificateAuthorityPem { get; init; }

    public string? CertificateAuthorityFile { get; init; }

    public bool InsecureSkipTlsVerify { get; init; }

    /// <summary>The name to expect in the server's certificate, if it is not the host of the address.</summary>
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

    /// <summary>The origin of this configuration, for messages.</summary>
    public string Source { get; init; } = "given";

    /// <summary>
    /// Loads the given path. Without one, loads the files in KUBECONFIG (merged), or ~/.kube/config if that variable is not set. If no file
    /// exists, uses the service account of the pod. Unlike kubectl, it never falls back to localhost.
    /// </summary>
    /// <exception cref="KubeConfigException">No configuration was found. The message lists the places that were searched.</exception>
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

        List<string> searched = [];
        string? listed = environment("KUBECONFIG");
        if (!string.IsNullOrEmpty(listed))
        {
            string[] files = listed.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
            string[] existing = [.. files.Where(File.Exists)];
            if (existing.Length > 0)
                return KubeConfigFiles.Resolve(existing, context);
            searched.Add($"KUBECONFIG={listed} (no such file)");
        }
        else
        {
            searched.Add("KUBECONFIG (not set)");
            string home = environment("HOME") ?? "";
            string file = Path.Combine(home, ".kube", "config");
            if (home.Length > 0 && File.Exists(file))
                return KubeConfigFiles.Resolve([file], context);
            searched.Add($"{file} (no such file)");
        }

        if (!string.IsNullOrEmpty(environment("KUBERNETES_SERVICE_HOST")))
            return InCluster(environment, serviceAccountDirectory);
        searched.Add("the service account of a pod (KUBERNETES_SERVICE_HOST is not set)");
        throw new KubeConfigException($"No Kubernetes configuration found. Searched: {string.Join("; ", searched)}.");
    }

    public static KubeConfig FromFile(string path, string? context = null) =>
        File.Exists(path) ? KubeConfigFiles.Resolve([path], context) : throw new KubeConfigException($"There is no kubeconfig at {path}.");

    /// <summary>Creates the configuration of the pod that this process runs in, from its service account.</summary>
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

/// <summary>The configuration of the API server is missing or cannot be used. The message gives the reason.</summary>
public sealed class KubeConfigException(string message, Exception? innerException = null) : Exception(message, innerException);
