using System.Text.Json.Nodes;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox;
using Bursar.Sandbox.Controllers;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.EndToEnd;

/// <summary>One API server in wall time with its controllers, and no kubelet.</summary>
public sealed class InstallServer(string kubeconfig, KubeClient client, ControlPlane? plane) : IAsyncDisposable
{
    private Bursar.Sandbox.Sandbox? _sandbox;
    private BuiltInControllers? _controllers;

    /// <summary>The administrator's.</summary>
    public string Kubeconfig { get; } = kubeconfig;

    public KubeClient Client { get; } = client;

    /// <summary>Null on the Sandbox.</summary>
    public ControlPlane? Plane { get; } = plane;

    public static async Task<InstallServer> StartSandboxAsync(CancellationToken ct)
    {
        var sandbox = await Bursar.Sandbox.Sandbox.StartAsync(new SandboxOptions(), ct);
        var path = Path.Combine(Directory.CreateTempSubdirectory("bursar-install-").FullName, "kubeconfig");
        await sandbox.WriteKubeconfigAsync(path, ct);
        var client = new KubeClient(KubeConfig.FromFile(path));
        return new(path, client, null) { _sandbox = sandbox, _controllers = await BuiltInControllers.StartAsync(client, 1, ct) };
    }

    /// <summary>Removes the leftovers of another test. CRDs outlive a release on purpose.</summary>
    public async Task WithoutBursarAsync(CancellationToken ct)
    {
        foreach (var ns in (string[])[InstallTests.Own, InstallTests.Agents, CommandsWorld.Team])
            (await InstallTool.KubectlAsync(Kubeconfig, "delete", "namespace", ns, "--ignore-not-found")).Succeeded();
        const string clusterScoped =
            "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings,mutatingwebhookconfigurations";
        const string label = "app.kubernetes.io/part-of=bursar";
        (await InstallTool.KubectlAsync(Kubeconfig, "delete", clusterScoped, "--selector", label)).Succeeded();
        (await InstallTool.KubectlAsync(Kubeconfig, "delete", "roles,rolebindings", "--all-namespaces", "--selector", label)).Succeeded();
        V1CustomResourceDefinition[] left = [];
        await UntilAsync(
            () =>
                $"the CRDs are gone; left: {string.Join("; ", left.Select(d => $"{d.Metadata.Name}, deleted at {d.Metadata.DeletionTimestamp:T}"))}",
            async () =>
            {
                left =
                [
                    .. (await Client.ListAsync<V1CustomResourceDefinition>(new(), ct)).Items.Where(d =>
                        d.Metadata.Name.EndsWith(".bursar.dev", StringComparison.Ordinal)
                    ),
                ];
                foreach (var definition in left.Where(d => d.Metadata.DeletionTimestamp is null))
                    await Client.DeleteAsync<V1CustomResourceDefinition>(definition.Metadata.Name, null, null, ct);
                if (left.Length == 0)
                    return true;
                // kube-apiserver finds that "storage is (re)initializing" when it deletes the objects of a CRD that is seconds old, and tries
                // again after minutes. A change of the CRD makes it try at once.
                await InstallTool.KubectlAsync(
                    Kubeconfig,
                    ["annotate", "--overwrite", "crd", .. left.Select(d => d.Metadata.Name), $"tests.bursar.dev/touched={Guid.NewGuid()}"]
                );
                return false;
            },
            ct,
            seconds: 180
        );
    }

    public Task UntilAsync(string what, Func<Task<bool>> holds, CancellationToken ct, int seconds = 60) =>
        UntilAsync(() => what, holds, ct, seconds);

    private static async Task UntilAsync(Func<string> what, Func<Task<bool>> holds, CancellationToken ct, int seconds)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        while (!await holds())
        {
            if (limit.IsCancellationRequested)
                throw new TimeoutException($"{what()}: not so within {seconds} s");
            await Task.Delay(200, ct);
        }
    }

    public Task<JsonNode?> GetAsync(string path, CancellationToken ct) => Client.RequestAsync(HttpMethod.Get, path, null, ct);

    /// <summary>The config of a service account, as its pods would have it: the same server, its own token.</summary>
    public async Task<KubeConfig> ServiceAccountAsync(string ns, string name, CancellationToken ct)
    {
        using var body = new StringContent(
            """{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"expirationSeconds":3600}}""",
            System.Text.Encoding.UTF8,
            "application/json"
        );
        var answer = await Client.RequestAsync(HttpMethod.Post, $"/api/v1/namespaces/{ns}/serviceaccounts/{name}/token", body, ct);
        return Client.Config with { Token = (string)answer!["status"]!["token"]! };
    }

    public async ValueTask DisposeAsync()
    {
        if (_controllers is not null)
            await _controllers.DisposeAsync();
        Client.Dispose();
        if (_sandbox is not null)
        {
            await _sandbox.DisposeAsync();
            Directory.Delete(Path.GetDirectoryName(Kubeconfig)!, recursive: true);
        }
    }
}

/// <summary>
/// The real control plane that all tests of the installation share, started when first asked for; it audits what service accounts do.
/// </summary>
public sealed class InstallServers : IAsyncLifetime
{
    private const string Controllers =
        "job-controller,deployment-controller,replicaset-controller,namespace-controller,garbage-collector-controller,serviceaccount-controller";

    private const string AuditPolicy = """
        apiVersion: audit.k8s.io/v1
        kind: Policy
        omitStages: [RequestReceived]
        rules:
        - level: Metadata
          userGroups: ["system:serviceaccounts"]
        - level: None
        """;

    private ControlPlane? _plane;

    public static TheoryData<bool> Real => [false, true];

    public Task InitializeAsync() => Task.CompletedTask;

    /// <summary>A Sandbox of the caller's own, or a client of the shared real server; skips where none is there.</summary>
    public async Task<InstallServer> StartAsync(bool real, CancellationToken ct)
    {
        if (!real)
            return await InstallServer.StartSandboxAsync(ct);
        Skip.IfNot(ControlPlane.IsPresent, ControlPlane.Absent);
        _plane ??= await ControlPlane.StartAsync(Controllers, withScheduler: false, withServiceAccounts: true, AuditPolicy, ct);
        var server = new InstallServer(_plane.KubeconfigPath, new KubeClient(KubeConfig.FromFile(_plane.KubeconfigPath)), _plane);
        await server.WithoutBursarAsync(ct);
        return server;
    }

    public async Task DisposeAsync()
    {
        if (_plane is not null)
            await _plane.DisposeAsync();
    }
}

[CollectionDefinition(Name)]
public sealed class InstallCollection : ICollectionFixture<InstallServers>
{
    public const string Name = "installation";
}
