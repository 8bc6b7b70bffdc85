using System.Text;
using System.Text.Json.Nodes;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Objects;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.EndToEnd.Worlds;

/// <summary>
/// A real control plane, with the chart and its guard, whose controllers act as their own ServiceAccounts: as the
/// administrator they would pass the guard for another reason than in a cluster. No operator runs unless a test plays it.
/// </summary>
public sealed class GuardedCluster : IAsyncLifetime
{
    // Not bursar-system, so that a silent dependency on that name fails here.
    public const string Own = "money-guard";

    private const string Controllers =
        "job-controller,deployment-controller,replicaset-controller,namespace-controller,garbage-collector-controller,serviceaccount-controller,"
        + "clusterrole-aggregation-controller,validatingadmissionpolicy-status-controller";

    private ControlPlane? _plane;
    private InstallServer? _server;

    public static string[] ChartValues => ["--namespace", Own, "--set", "image.repository=registry.example/bursar,agent.enabled=false"];

    public Task InitializeAsync() => Task.CompletedTask;

    /// <summary>The server with the chart in it; skips where there is none.</summary>
    public async Task<InstallServer> OpenAsync(CancellationToken ct)
    {
        Skip.IfNot(ControlPlane.IsPresent, ControlPlane.Absent);
        InstallTool.RequireTools();
        if (_server is not null)
            return _server;
        _plane = await ControlPlane.StartAsync(
            Controllers,
            withScheduler: false,
            withServiceAccounts: true,
            auditPolicy: null,
            controllersHaveAccounts: true,
            ct
        );
        var server = new InstallServer(_plane.KubeconfigPath, new KubeClient(KubeConfig.FromFile(_plane.KubeconfigPath)), _plane);
        (
            await InstallTool.HelmAsync(server.Kubeconfig, ["install", "bursar", InstallTool.Chart, "--create-namespace", .. ChartValues])
        ).Succeeded();
        return _server = server;
    }

    public async Task DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        if (_plane is not null)
            await _plane.DisposeAsync();
    }
}

/// <summary>
/// A namespace with two people in it, both with the rights of a namespace's administrator and all verbs there are on budgets. One of
/// them may also override. What is suspended here was suspended by the rights of the operator's own account.
/// </summary>
internal sealed class GuardedTeam : IDisposable
{
    private readonly InstallServer _server;

    private GuardedTeam(InstallServer server, string name, KubeClient tenant, KubeClient holder, KubeClient bursar)
    {
        _server = server;
        Name = name;
        Tenant = tenant;
        Holder = holder;
        Bursar = bursar;
    }

    private static CancellationToken Ct => CancellationToken.None;

    public string Name { get; }

    /// <summary>The namespace's administrator, who may write budgets and not override.</summary>
    public KubeClient Tenant { get; }

    /// <summary>A client of a tenant with the ClusterRole bursar-override in this namespace.</summary>
    public KubeClient Holder { get; }

    /// <summary>A client with the token of the operator's ServiceAccount.</summary>
    public KubeClient Bursar { get; }

    public string Budgets => $"/apis/bursar.dev/v1alpha1/namespaces/{Name}/gpubudgets";

    public const string ClusterBudgets = "/apis/bursar.dev/v1alpha1/clustergpubudgets";

    public string Jobs => $"/apis/batch/v1/namespaces/{Name}/jobs";

    public string Deployments => $"/apis/apps/v1/namespaces/{Name}/deployments";

    public static async Task<GuardedTeam> CreateAsync(InstallServer server, string name)
    {
        await server.Client.CreateAsync(new V1Namespace { Metadata = new() { Name = name } }, Ct);
        foreach (var person in (string[])["tenant", "holder"])
            await PostAsync(server.Client, $"/api/v1/namespaces/{name}/serviceaccounts", $"{{metadata: {{name: {person}}}}}");
        await PostAsync(
            server.Client,
            $"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}/roles",
            """
            metadata: {name: budgets}
            rules: [{apiGroups: [bursar.dev], resources: [gpubudgets], verbs: [get, list, watch, create, update, patch, delete, deletecollection]}]
            """
        );
        await BindAsync(server.Client, name, "ClusterRole", "admin", "tenant", "holder");
        await BindAsync(server.Client, name, "Role", "budgets", "tenant", "holder");
        await BindAsync(server.Client, name, "ClusterRole", "bursar-override", "holder");
        var team = new GuardedTeam(
            server,
            name,
            new KubeClient(await server.ServiceAccountAsync(name, "tenant", Ct)),
            new KubeClient(await server.ServiceAccountAsync(name, "holder", Ct)),
            new KubeClient(await server.ServiceAccountAsync(GuardedCluster.Own, "bursar", Ct))
        );
        await team.BudgetAsync("probe");
        await team.InForceAsync();
        // Rights that are aggregated come a moment later.
        await server.UntilAsync(
            "the tenant has the namespace's rights",
            async () => (await SendAsync(team.Tenant, HttpMethod.Get, team.Deployments)).Code == 0,
            Ct
        );
        return team;
    }

    /// <summary>Waits until the API server has read the policies, a moment after they were written.</summary>
    public Task InForceAsync() => _server.UntilAsync("the guard is in force", async () => (await TryRaiseAsync()).Code == 403, Ct);

    /// <summary>The tenant tries to raise the limit of the budget <c>probe</c>; nothing is stored.</summary>
    public Task<Answer> TryRaiseAsync() =>
        SendAsync(Tenant, HttpMethod.Patch, $"{Budgets}/probe?dryRun=All", """{"spec": {"limit": {"cost": "999"}}}""");

    public static Task BindAsync(KubeClient client, string ns, string roleKind, string role, params string[] people) =>
        PostAsync(
            client,
            $"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings",
            $$"""
            metadata: {generateName: people-}
            roleRef: {apiGroup: rbac.authorization.k8s.io, kind: {{roleKind}}, name: {{role}}}
            subjects: [{{string.Join(", ", people.Select(p => $"{{kind: ServiceAccount, name: {p}, namespace: {ns}}}"))}}]
            """
        );

    public Task BudgetAsync(string name, string spec = """limit: {cost: "500"}""") =>
        PostAsync(
            _server.Client,
            Budgets,
            $"{{apiVersion: bursar.dev/v1alpha1, kind: GpuBudget, metadata: {{name: {name}, labels: {{budget: {name}}}}}, spec: {{{spec}}}}}"
        );

    public Task JobAsync(string name, bool suspended) => PostAsync(Tenant, Jobs, JobText(name, suspended));

    public static string JobText(string name, bool suspended, string annotations = "") =>
        $$$"""
            metadata: {name: {{{name}}}, annotations: { {{{annotations}}} }}
            spec:
              suspend: {{{(suspended ? "true" : "false")}}}
              template: {spec: {restartPolicy: Never, containers: [{name: main, image: "train:1", resources: {limits: {nvidia.com/gpu: 1} } } ] } }
            """;

    public Task DeploymentAsync(string name, int replicas) =>
        PostAsync(
            Tenant,
            Deployments,
            $$$"""
            metadata: {name: {{{name}}}}
            spec:
              replicas: {{{replicas}}}
              selector: {matchLabels: {app: {{{name}}}}}
              template: {metadata: {labels: {app: {{{name}}}}}, spec: {containers: [{name: main, image: "serve:1", resources: {limits: {nvidia.com/gpu: 1} } } ] } }
            """
        );

    /// <summary>Creates a ClusterGpuBudget over this namespace alone.</summary>
    public Task ClusterBudgetAsync(string name) =>
        PostAsync(
            _server.Client,
            ClusterBudgets,
            $$"""
            {apiVersion: bursar.dev/v1alpha1, kind: ClusterGpuBudget, metadata: {name: {{name}}}, spec: {limit: {cost: "500"}, namespaces: [{{Name}}] } }
            """
        );

    /// <summary>Writes into the budget's status, as the operator does, which Deployments it holds at zero.</summary>
    public Task MarkSuspendedAsync(string budget, params string[] deployments) =>
        MarkSuspendedAsync($"{Budgets}/{budget}", null, deployments);

    /// <summary>Writes into a ClusterGpuBudget's status which Deployments of this namespace it holds at zero.</summary>
    public Task MarkSuspendedByClusterBudgetAsync(string budget, params string[] deployments) =>
        MarkSuspendedAsync($"{ClusterBudgets}/{budget}", Name, deployments);

    private async Task MarkSuspendedAsync(string path, string? ns, string[] deployments)
    {
        var list = new JsonArray([
            .. deployments.Select(d =>
            {
                var entry = new JsonObject
                {
                    ["kind"] = "Deployment",
                    ["name"] = d,
                    ["since"] = "2026-11-21T10:00:00Z",
                    ["reason"] = "BudgetExhausted",
                };
                if (ns is not null)
                    entry["namespace"] = ns;
                return (JsonNode)entry;
            }),
        ]);
        (
            await SendAsync(
                Bursar,
                HttpMethod.Patch,
                $"{path}/status",
                new JsonObject { ["status"] = new JsonObject { ["suspended"] = list } }.ToJsonString()
            )
        )
            .Code.Should()
            .Be(0);
    }

    /// <summary>Binds people of this namespace to a ClusterRole in the whole cluster.</summary>
    public Task BindInClusterAsync(string role, params string[] people) =>
        PostAsync(
            _server.Client,
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            $$"""
            metadata: {generateName: people-}
            roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{role}}}
            subjects: [{{string.Join(", ", people.Select(p => $"{{kind: ServiceAccount, name: {p}, namespace: {Name}}}"))}}]
            """
        );

    public static async Task PostAsync(KubeClient client, string path, string yaml)
    {
        using var body = new StringContent(yaml, Encoding.UTF8, "application/yaml");
        await client.RequestAsync(HttpMethod.Post, path, body, Ct);
    }

    /// <summary>Returns code 0 and the object, or the code and message of the refusal.</summary>
    public static async Task<Answer> SendAsync(
        KubeClient client,
        HttpMethod method,
        string path,
        string? body = null,
        string type = "application/merge-patch+json"
    )
    {
        try
        {
            using var content = body is null ? null : new StringContent(body, Encoding.UTF8, type);
            return new(0, "", await client.RequestAsync(method, path, content, Ct));
        }
        catch (ApiException refused)
        {
            return new(refused.StatusCode, refused.Message, null);
        }
    }

    public void Dispose()
    {
        Tenant.Dispose();
        Holder.Dispose();
        Bursar.Dispose();
    }
}

internal sealed record Answer(int Code, string Message, JsonNode? Object);
