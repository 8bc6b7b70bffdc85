using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Money;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>Steps of the tests with a ClusterGpuBudget.</summary>
internal static class ClusterBudgets
{
    private static CancellationToken Ct => CancellationToken.None;

    public static Task CreateAsync(ClusterWorld world, string name, string cost, string scope) =>
        world.PostJsonAsync(
            "/apis/bursar.dev/v1alpha1/clustergpubudgets",
            JsonNode
                .Parse(
                    $$$"""{"apiVersion": "bursar.dev/v1alpha1", "kind": "ClusterGpuBudget", "metadata": {"name": "{{{name}}}"}, "spec": {"limit": {"cost": "{{{cost}}}"}, {{{scope}}}}}"""
                )!
                .AsObject(),
            Ct
        );

    public static async Task<GpuBudgetStatus?> StatusAsync(ClusterWorld world, string name) =>
        (await world.Client.GetAsync<V1Alpha1ClusterGpuBudget>(name, null, Ct)).Status;

    public static Task SetLimitAsync(ClusterWorld world, string name, string cost) =>
        world.Client.PatchAsync<V1Alpha1ClusterGpuBudget>(
            name,
            null,
            KubePatch.Merge(JsonNode.Parse($$$$"""{"spec": {"limit": {"cost": "{{{{cost}}}}"}}}""")!),
            Ct
        );
}

/// <summary>A budget over several namespaces: a workload runs while it fits every budget that selects it.</summary>
public sealed class ClusterBudgetTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Spending_of_a_cluster_budget_is_the_sum_of_its_namespaces()
    {
        var scene = await Scene.SandboxAsync("alpha");
        await using var world = scene.World;
        var beta = await Scene.OpenAsync(world, "beta");
        await scene.BudgetAsync("100");
        await beta.BudgetAsync("100");
        await ClusterBudgets.CreateAsync(world, "both", "100", """ "namespaces": ["alpha", "beta", "not-there"] """);
        await scene.JobAsync("one", declared: "1m", runFor: "1m");
        await beta.JobAsync("two", declared: "2m", runFor: "2m");
        foreach (var (team, job) in ((Scene, string)[])[(scene, "one"), (beta, "two")])
            await scene.UntilAsync(
                $"{job} is done",
                async () => (await world.JobAsync(team.Team, job, Ct)).Status.Succeeded == 1,
                TimeSpan.FromMinutes(5)
            );
        await scene.PassAsync(90);
        var parts = Amount.Zero;
        foreach (var team in (Scene[])[scene, beta])
        {
            Amount.TryParse((await team.StatusAsync())!.Spent, out var spent).Should().BeTrue();
            parts += spent;
        }
        var status = (await ClusterBudgets.StatusAsync(world, "both"))!;
        status.Spent.Should().Be(parts.ToString());
        status.NamespaceCount.Should().Be(2, "a namespace that does not exist has nothing to count");
        status.Ended!.Select(one => $"{one.Namespace}/{one.Name}").Should().BeEquivalentTo("alpha/one", "beta/two");
    }

    [Fact]
    public async Task Selector_of_everything_leaves_out_the_namespaces_of_Kubernetes_and_Bursar()
    {
        var scene = await Scene.SandboxAsync("team");
        await using var world = scene.World;
        await ClusterBudgets.CreateAsync(world, "all", "100", """ "namespaceSelector": {} """);
        await scene.UntilAsync("the budget is seen", async () => await ClusterBudgets.StatusAsync(world, "all") is not null);
        (await ClusterBudgets.StatusAsync(world, "all"))!
            .Namespaces.Should()
            .Contain("team")
            .And.NotContain(ns =>
                ns.StartsWith("kube-", StringComparison.Ordinal) || ns == ClusterWorld.OwnNamespace || ns == ClusterWorld.AgentNamespace
            );
    }

    [Fact]
    public async Task Limit_in_another_unit_is_not_added_to_the_limits_below()
    {
        var scene = await Scene.SandboxAsync("team");
        await using var world = scene.World;
        await world.PostJsonAsync(
            "/apis/bursar.dev/v1alpha1/namespaces/team/gpubudgets",
            JsonNode
                .Parse(
                    """{"apiVersion": "bursar.dev/v1alpha1", "kind": "GpuBudget", "metadata": {"name": "hours"}, "spec": {"limit": {"gpuHours": "2000"}}}"""
                )!
                .AsObject(),
            Ct
        );
        await ClusterBudgets.CreateAsync(world, "all", "100", """ "namespaces": ["team"] """);
        await scene.UntilAsync("the budget below is seen", async () => (await ClusterBudgets.StatusAsync(world, "all"))?.Children is [_]);
        (await ClusterBudgets.StatusAsync(world, "all"))!.Conditions.Should().NotContain(one => one.Type == "Overcommitted");

        await scene.BudgetAsync("101");
        await scene.UntilAsync("both budgets below are seen", async () =>
            (await ClusterBudgets.StatusAsync(world, "all"))?.Children is [_, _]
        );
        (await ClusterBudgets.StatusAsync(world, "all"))!
            .Conditions!.Single(one => one.Type == "Overcommitted")
            .Message.Should()
            .Contain("The limit of a budget below it is 101.00 USD, 1.00 more than its own: team/b (101.00)");
    }

    /// <summary>An idle budget is otherwise evaluated once a minute.</summary>
    [Fact]
    public async Task Budget_of_an_idle_namespace_shows_a_new_parent_at_once()
    {
        var scene = await Scene.SandboxAsync("team");
        await using var world = scene.World;
        await scene.BudgetAsync("10");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        await scene.PassAsync(10);
        await ClusterBudgets.CreateAsync(world, "all", "100", """ "namespaces": ["team"] """);
        await scene.UntilAsync(
            "it shows its parent",
            async () => (await scene.StatusAsync())!.Parents?.SequenceEqual(["all"]) == true,
            TimeSpan.FromSeconds(10)
        );
        await world.Client.DeleteAsync<V1Alpha1ClusterGpuBudget>("all", null, null, Ct);
        await scene.UntilAsync("it shows none", async () => (await scene.StatusAsync())!.Parents is null, TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Deleted_cluster_budget_resumes_what_it_suspended()
    {
        var scene = await Scene.SandboxAsync("team");
        await using var world = scene.World;
        await ClusterBudgets.CreateAsync(world, "all", "1", """ "namespaces": ["team"] """);
        await scene.UntilAsync("the budget is seen", async () => await ClusterBudgets.StatusAsync(world, "all") is not null);
        await scene.JobAsync("train", declared: "2h");
        await scene.UntilSuspendedAsync("train");

        await world.Client.DeleteAsync<V1Alpha1ClusterGpuBudget>("all", null, null, Ct);
        await scene.UntilResumedAsync("train", TimeSpan.FromSeconds(40));
    }

    /// <summary>The operator dies between the suspension and everything that follows. The next one continues from the stored state.</summary>
    [Fact]
    public async Task Next_leader_knows_the_suspensions_of_a_cluster_budget()
    {
        var scene = await Scene.SandboxAsync("team");
        await using var world = scene.World;
        await ClusterBudgets.CreateAsync(world, "all", "1", """ "namespaces": ["team"] """);
        await scene.UntilAsync("the budget is seen", async () => await ClusterBudgets.StatusAsync(world, "all") is not null);
        await scene.JobAsync("train", declared: "2h");
        await scene.UntilSuspendedAsync("train");
        await world.StopOperatorAsync();
        await world.StartOperatorAsync(Ct, restart: true);
        await scene.PassAsync(60);
        (await scene.IsSuspendedAsync("train")).Should().BeTrue();
        (await ClusterBudgets.StatusAsync(world, "all"))!.Suspended.Should().ContainSingle();

        await ClusterBudgets.SetLimitAsync(world, "all", "20");
        await scene.UntilResumedAsync("train");
    }
}
