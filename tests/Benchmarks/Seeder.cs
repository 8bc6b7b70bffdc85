using Bursar.Demo;

namespace Bursar.Tests.Benchmarks;

/// <summary>Fills a cluster: GPU pods of real size, ten to a Job, in namespaces with budgets in three levels, or without budgets.</summary>
internal sealed class Seeder(ApiConnection api)
{
    public const int PodsPerJob = 10;
    private const int GpusPerNode = 8;

    /// <summary>
    /// Nodes, Jobs, pods and a budget for every ten pods. 89 % of the budgets are GpuBudgets of one namespace each, 10 % ClusterGpuBudgets of
    /// departments with eight or nine namespaces, and 1 % ClusterGpuBudgets of divisions with ten departments.
    /// </summary>
    public async Task SeedOperatorWorldAsync(int pods, CancellationToken ct)
    {
        foreach (var (_, yaml) in CrdFiles.ReadAll())
            await api.PostYamlAsync("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", yaml, ct);
        foreach (var ns in (string[])["bursar-system", "bursar-agents"])
            await NamespaceAsync(ns, ct);
        await EachAsync(pods / GpusPerNode + 1, node => api.PostAsync("/api/v1/nodes", BenchObjects.Node(node), ct), ct);
        var budgets = pods / PodsPerJob;
        var divisions = budgets / 100;
        var departments = budgets / 10;
        var teams = budgets - departments - divisions;
        await EachAsync(
            teams,
            async team =>
            {
                var labels = BenchObjects.TeamLabels(team % departments, divisions);
                await NamespaceAsync(Team(team), labels, ct);
                await api.PostAsync($"/apis/bursar.dev/v1alpha1/namespaces/{Team(team)}/gpubudgets", BenchObjects.Budget, ct);
            },
            ct
        );
        await EachAsync(departments, number => ClusterBudgetAsync("department", number, ct), ct);
        await EachAsync(divisions, number => ClusterBudgetAsync("division", number, ct), ct);
        await EachAsync(budgets, job => JobAsync(job, Team(job % teams), ct), ct);
    }

    /// <summary>Pods alone, for what is measured of the client.</summary>
    public async Task SeedPodsAsync(int pods, CancellationToken ct)
    {
        const int namespaces = 20;
        for (var ns = 0; ns < namespaces; ns++)
            await NamespaceAsync(Team(ns), ct);
        await EachAsync(pods / PodsPerJob, job => PodsAsync(job, Team(job % namespaces), Guid.Empty.ToString(), ct), ct);
    }

    private async Task JobAsync(int job, string ns, CancellationToken ct)
    {
        var made = await api.PostAsync($"/apis/batch/v1/namespaces/{ns}/jobs", BenchObjects.Job(job, PodsPerJob), ct);
        await PodsAsync(job, ns, (string)made["metadata"]!["uid"]!, ct);
    }

    private async Task PodsAsync(int job, string ns, string uid, CancellationToken ct)
    {
        for (var i = 0; i < PodsPerJob; i++)
        {
            var pod = job * PodsPerJob + i;
            await api.PostAsync($"/api/v1/namespaces/{ns}/pods", BenchObjects.Pod(job, pod, pod / GpusPerNode, uid), ct);
            await api.MergeAsync($"/api/v1/namespaces/{ns}/pods/{BenchObjects.PodName(job, pod)}/status", BenchObjects.PodStatus(pod), ct);
        }
    }

    private Task ClusterBudgetAsync(string level, int number, CancellationToken ct) =>
        api.PostAsync("/apis/bursar.dev/v1alpha1/clustergpubudgets", BenchObjects.ClusterBudget(level, number), ct);

    private Task NamespaceAsync(string name, CancellationToken ct) => NamespaceAsync(name, "{}", ct);

    private Task NamespaceAsync(string name, string labels, CancellationToken ct) =>
        api.PostAsync(
            "/api/v1/namespaces",
            $$"""{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"{{name}}","labels":{{labels}} } }""",
            ct
        );

    private static string Team(int number) => $"team-{number:D4}";

    private static Task EachAsync(int count, Func<int, Task> one, CancellationToken ct) =>
        Parallel.ForEachAsync(
            Enumerable.Range(0, count),
            new ParallelOptions { MaxDegreeOfParallelism = 4, CancellationToken = ct },
            async (i, _) => await one(i)
        );
}
