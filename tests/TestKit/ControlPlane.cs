using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;

namespace Bursar.Tests.TestKit;

/// <summary>
/// A real Kubernetes control plane on free loopback ports: etcd and kube-apiserver, on request also the controller manager
/// and the scheduler. The binaries come from KUBEBUILDER_ASSETS, else /usr/local/kubebuilder/bin.
/// </summary>
public sealed class ControlPlane : IAsyncDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);
    private readonly string _directory;
    private readonly List<(string Name, Process Process)> _processes = [];

    private ControlPlane(string directory, Uri address, string token)
    {
        _directory = directory;
        Address = address;
        Token = token;
    }

    /// <summary>The folder of the binaries.</summary>
    public static string Assets { get; } =
        Environment.GetEnvironmentVariable("KUBEBUILDER_ASSETS") is { Length: > 0 } assets ? assets : "/usr/local/kubebuilder/bin";

    /// <summary>Whether etcd and kube-apiserver are there.</summary>
    public static bool IsPresent => File.Exists(Path.Combine(Assets, "etcd")) && File.Exists(Path.Combine(Assets, "kube-apiserver"));

    /// <summary>The reason for a skip where they are not.</summary>
    public static string Absent => $"no etcd and kube-apiserver in {Assets} (KUBEBUILDER_ASSETS names another folder)";

    public Uri Address { get; }

    /// <summary>A token of the group system:masters.</summary>
    public string Token { get; }

    public string CertificateAuthorityFile => Path.Combine(_directory, "certs", "apiserver.crt");

    /// <summary>A kubeconfig with that token.</summary>
    public string KubeconfigPath => Path.Combine(_directory, "kubeconfig");

    /// <summary>Whether a controller manager runs, so that namespaces are emptied and dependents are collected.</summary>
    public bool HasControllerManager { get; private init; }

    public bool HasScheduler { get; private init; }

    /// <summary>The path of the API server's audit log of the requests that the audit policy names. Null without a policy.</summary>
    public string? AuditLogPath { get; private init; }

    public static Task<ControlPlane> StartAsync(string? controllers, bool withScheduler, bool withServiceAccounts, CancellationToken ct) =>
        StartAsync(controllers, withScheduler, withServiceAccounts, auditPolicy: null, ct);

    /// <param name="controllers">The controllers to run (<c>job-controller,...</c>, or <c>*</c>); null runs no controller manager.</param>
    /// <param name="withServiceAccounts">Whether pods need their namespace's ServiceAccount; then the controllers must hold
    /// serviceaccount-controller.</param>
    /// <param name="auditPolicy">A policy of audit.k8s.io/v1 as YAML: what it names is found in <see cref="AuditLogPath"/>.</param>
    public static Task<ControlPlane> StartAsync(
        string? controllers,
        bool withScheduler,
        bool withServiceAccounts,
        string? auditPolicy,
        CancellationToken ct
    ) => StartAsync(controllers, withScheduler, withServiceAccounts, auditPolicy, controllersHaveAccounts: false, ct);

    /// <param name="controllersHaveAccounts">Whether each controller acts as its own ServiceAccount of kube-system, as in most clusters,
    /// and not as the administrator.</param>
    public static Task<ControlPlane> StartAsync(
        string? controllers,
        bool withScheduler,
        bool withServiceAccounts,
        string? auditPolicy,
        bool controllersHaveAccounts,
        CancellationToken ct
    ) => StartAsync(controllers, withScheduler, withServiceAccounts, auditPolicy, controllersHaveAccounts, controllerArguments: [], ct);

    /// <param name="controllerArguments">Further arguments of the controller manager
    /// (<c>--horizontal-pod-autoscaler-sync-period=1s</c>).</param>
    public static async Task<ControlPlane> StartAsync(
        string? controllers,
        bool withScheduler,
        bool withServiceAccounts,
        string? auditPolicy,
        bool controllersHaveAccounts,
        IReadOnlyList<string> controllerArguments,
        CancellationToken ct
    )
    {
        var directory = Directory.CreateTempSubdirectory("bursar-control-plane-").FullName;
        var token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        var etcdPort = FreePort.Next();
        var peerPort = FreePort.Next();
        var apiPort = FreePort.Next();
        var withControllers = controllers is not null && File.Exists(Path.Combine(Assets, "kube-controller-manager"));
        withScheduler &= File.Exists(Path.Combine(Assets, "kube-scheduler"));
        var plane = new ControlPlane(directory, new Uri($"https://127.0.0.1:{apiPort}"), token)
        {
            HasControllerManager = withControllers,
            HasScheduler = withScheduler,
            AuditLogPath = auditPolicy is null ? null : Path.Combine(directory, "audit.log"),
        };
        try
        {
            using (var key = RSA.Create(2048))
            {
                await File.WriteAllTextAsync(Path.Combine(directory, "sa.key"), key.ExportRSAPrivateKeyPem(), ct);
                await File.WriteAllTextAsync(Path.Combine(directory, "sa.pub"), key.ExportSubjectPublicKeyInfoPem(), ct);
            }

            await File.WriteAllTextAsync(Path.Combine(directory, "tokens.csv"), $"{token},admin,admin-uid,\"system:masters\"\n", ct);
            if (auditPolicy is not null)
                await File.WriteAllTextAsync(Path.Combine(directory, "audit.yaml"), auditPolicy, ct);
            plane.Start(
                "etcd",
                $"--data-dir={directory}/etcd",
                $"--listen-client-urls=http://127.0.0.1:{etcdPort}",
                $"--advertise-client-urls=http://127.0.0.1:{etcdPort}",
                $"--listen-peer-urls=http://127.0.0.1:{peerPort}",
                $"--initial-advertise-peer-urls=http://127.0.0.1:{peerPort}",
                $"--initial-cluster=default=http://127.0.0.1:{peerPort}",
                "--unsafe-no-fsync",
                "--log-level=warn"
            );
            plane.Start(
                "kube-apiserver",
                [
                    $"--etcd-servers=http://127.0.0.1:{etcdPort}",
                    "--bind-address=127.0.0.1",
                    "--advertise-address=127.0.0.1",
                    $"--secure-port={apiPort}",
                    $"--cert-dir={directory}/certs",
                    $"--service-account-key-file={directory}/sa.pub",
                    $"--service-account-signing-key-file={directory}/sa.key",
                    "--service-account-issuer=https://kubernetes.default.svc",
                    "--service-cluster-ip-range=10.0.0.0/16",
                    $"--token-auth-file={directory}/tokens.csv",
                    "--authorization-mode=RBAC",
                    "--allow-privileged=true",
                    "--endpoint-reconciler-type=none",
                    .. withServiceAccounts ? Array.Empty<string>() : ["--disable-admission-plugins=ServiceAccount"],
                    // Blocking mode: the log has a request before its client has the answer.
                    .. auditPolicy is null
                        ? Array.Empty<string>()
                        :
                        [
                            $"--audit-policy-file={directory}/audit.yaml",
                            $"--audit-log-path={plane.AuditLogPath}",
                            "--audit-log-mode=blocking",
                        ],
                ]
            );
            await plane.ReadyAsync(ct);
            await File.WriteAllTextAsync(plane.KubeconfigPath, plane.Kubeconfig(), ct);
            if (withControllers)
            {
                plane.Start(
                    "kube-controller-manager",
                    [
                        $"--kubeconfig={plane.KubeconfigPath}",
                        $"--authentication-kubeconfig={plane.KubeconfigPath}",
                        $"--authorization-kubeconfig={plane.KubeconfigPath}",
                        "--bind-address=127.0.0.1",
                        $"--secure-port={FreePort.Next()}",
                        $"--cert-dir={directory}/controller-manager-certs",
                        "--leader-elect=false",
                        $"--service-account-private-key-file={directory}/sa.key",
                        $"--root-ca-file={plane.CertificateAuthorityFile}",
                        $"--use-service-account-credentials={(controllersHaveAccounts ? "true" : "false")}",
                        $"--controllers={controllers}",
                        .. controllerArguments,
                    ]
                );
            }

            if (withScheduler)
            {
                plane.Start(
                    "kube-scheduler",
                    $"--kubeconfig={plane.KubeconfigPath}",
                    $"--authentication-kubeconfig={plane.KubeconfigPath}",
                    $"--authorization-kubeconfig={plane.KubeconfigPath}",
                    "--bind-address=127.0.0.1",
                    $"--secure-port={FreePort.Next()}",
                    $"--cert-dir={directory}/scheduler-certs",
                    "--leader-elect=false"
                );
            }

            return plane;
        }
        catch
        {
            await plane.DisposeAsync();
            throw;
        }
    }

    /// <summary>A client that trusts this server and carries its token.</summary>
    public HttpClient CreateClient()
    {
        var client = new HttpClient(
            new SocketsHttpHandler
            {
                SslOptions = { RemoteCertificateValidationCallback = static (_, _, _, _) => true },
                PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            }
        )
        {
            BaseAddress = Address,
            Timeout = TimeSpan.FromMinutes(2),
        };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Token);
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        // Reverse order: an API server that has lost its etcd no longer reacts to SIGTERM.
        foreach (var (_, process) in Enumerable.Reverse(_processes))
        {
            if (!process.HasExited)
            {
                using var term = Process.Start("kill", ["-TERM", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
                using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
                try
                {
                    await process.WaitForExitAsync(limit.Token);
                }
                catch (OperationCanceledException)
                {
                    process.Kill(entireProcessTree: true);
                }
            }

            process.Dispose();
        }

        Directory.Delete(_directory, recursive: true);
    }

    private void Start(string name, params string[] arguments)
    {
        var log = new StreamWriter(Path.Combine(_directory, name + ".log")) { AutoFlush = true };
        var process = new Process
        {
            StartInfo = new ProcessStartInfo(Path.Combine(Assets, name), arguments)
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                WorkingDirectory = _directory,
            },
            EnableRaisingEvents = true,
        };
        void Log(object sender, DataReceivedEventArgs line)
        {
            lock (log)
            {
                log.WriteLine(line.Data);
            }
        }

        process.OutputDataReceived += Log;
        process.ErrorDataReceived += Log;
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        _processes.Add((name, process));
    }

    private async Task ReadyAsync(CancellationToken ct)
    {
        using var client = CreateClient();
        var clock = Stopwatch.StartNew();
        while (true)
        {
            foreach (var (name, process) in _processes)
            {
                if (process.HasExited)
                {
                    throw new InvalidOperationException($"{name} from {Assets} ended with code {process.ExitCode}:\n{Tail(name)}");
                }
            }

            try
            {
                using var answer = await client.GetAsync(new Uri("/readyz", UriKind.Relative), ct);
                if (answer.StatusCode == HttpStatusCode.OK)
                {
                    return;
                }
            }
            catch (HttpRequestException) when (clock.Elapsed < StartLimit)
            {
                // The server is not listening yet.
            }

            if (clock.Elapsed > StartLimit)
            {
                throw new InvalidOperationException(
                    $"kube-apiserver from {Assets} is not ready after {StartLimit}:\n{Tail("kube-apiserver")}"
                );
            }

            await Task.Delay(100, ct);
        }
    }

    private string Tail(string name)
    {
        using var stream = new FileStream(Path.Combine(_directory, name + ".log"), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(stream);
        return string.Join('\n', reader.ReadToEnd().Split('\n').TakeLast(30));
    }

    private string Kubeconfig() =>
        $"""
            apiVersion: v1
            kind: Config
            current-context: test
            clusters:
            - name: test
              cluster:
                server: {Address.GetLeftPart(UriPartial.Authority)}
                certificate-authority-data: {Convert.ToBase64String(Encoding.ASCII.GetBytes(File.ReadAllText(CertificateAuthorityFile)))}
            contexts:
            - name: test
              context: {"{"}cluster: test, user: test{"}"}
            users:
            - name: test
              user: {"{"}token: {Token}{"}"}

            """;
}
