using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>The example of docs/tasks/organisation-budgets.md: a department with 100 over three teams with 60 each.</summary>
internal static class Department
{
    public static readonly string[] Teams = ["team-nlp", "team-speech", "team-vision"];

    private static CancellationToken Ct => CancellationToken.None;

    /// <summary>Two jobs use up the department's budget, so the third one waits until both have ended.</summary>
    public static async Task ThirdTeamsJobWaitsAsync(ClusterWorld world)
    {
        var vision = new Scene(world, "team-vision");
        await JobAsync(world, "team-nlp");
        await JobAsync(world, "team-speech");
        await world.PassAsync(TimeSpan.FromSeconds(30), Ct);
        await JobAsync(world, "team-vision");

        await vision.UntilSuspendedAsync("train");
        await vision.PassAsync(30);
        var status = (await DepartmentAsync(world)).Status!;
        status.Suspended!.Select(one => $"{one.Namespace}/{one.Kind}/{one.Name}").Should().Equal("team-vision/Job/train");
        (await world.JobAsync("team-vision", "train", Ct))
            .Metadata.Annotations["bursar.dev/suspended-by"]
            .Should()
            .Be("clustergpubudget/research");
        status.NamespaceCount.Should().Be(3);
        status.Namespaces.Should().Equal(Teams);
        status
            .Children!.Select(child => $"{child.Name} {child.Limit}")
            .Should()
            .Equal("team-nlp/nlp 60.000000", "team-speech/speech 60.000000", "team-vision/vision 60.000000");
        status
            .Conditions!.Single(one => one.Type == "Overcommitted")
            .Message.Should()
            .Contain("The limits of 3 budgets below it are 180.00 USD together, 80.00 more than its own");
        var own = (await world.BudgetAsync("team-vision", "vision", Ct)).Status!;
        own.Parents.Should().Equal("research");
        own.Workloads!.Single(one => one.Name == "train").State.Should().Be("SuspendedByOtherBudget");

        // With one of them gone, 51 are left: enough for its likely cost, not for its high estimate with headroom.
        await DeleteJobAsync(world, "team-nlp");
        await vision.PassAsync(60);
        (await vision.IsSuspendedAsync("train")).Should().BeTrue();
        await DeleteJobAsync(world, "team-speech");
        await vision.UntilResumedAsync("train");
    }

    /// <summary>Deletes a job with its pods, as kubectl does.</summary>
    public static async Task DeleteJobAsync(ClusterWorld world, string team)
    {
        using var body = new StringContent("""{"propagationPolicy": "Background"}""", System.Text.Encoding.UTF8, "application/json");
        await world.Client.RequestAsync(HttpMethod.Delete, $"/apis/batch/v1/namespaces/{team}/jobs/train", body, Ct);
    }

    public static async Task DeleteAsync(ClusterWorld world)
    {
        await world.Client.DeleteAsync<V1Alpha1ClusterGpuBudget>("research", null, null, Ct);
        foreach (var team in Teams)
            await world.Client.DeleteAsync<V1Namespace>(team, null, null, Ct);
    }

    public static Task RemoveLabelAsync(ClusterWorld world, string team) => LabelAsync(world, team, "null");

    private static Task LabelAsync(ClusterWorld world, string team, string value) =>
        world.Client.PatchAsync<V1Namespace>(
            team,
            null,
            KubePatch.Merge((JsonObject)JsonNode.Parse($$$"""{"metadata": {"labels": {"department": {{{value}}} } } }""")!),
            Ct
        );

    public static decimal SpentOf(V1Alpha1ClusterGpuBudget budget) =>
        decimal.Parse(budget.Status!.Spent!, System.Globalization.CultureInfo.InvariantCulture);

    public static async Task<ClusterWorld> StartAsync()
    {
        var world = (await Scene.SandboxAsync()).World;
        await CreateAsync(world);
        return world;
    }

    /// <param name="world">The cluster.</param>
    /// <param name="window">The window of all budgets, because in the last hours of a month a job's cost falls into the next one.</param>
    public static async Task CreateAsync(ClusterWorld world, string window = """{"period": "Month"}""")
    {
        foreach (var team in Teams)
        {
            await world.CreateNamespaceAsync(team, Ct);
            await LabelAsync(world, team, "\"research\"");
            await world.CreateBudgetAsync(team, team[5..], "60", Ct, new() { ["window"] = JsonNode.Parse(window) });
        }
        await world.PostJsonAsync(
            "/apis/bursar.dev/v1alpha1/clustergpubudgets",
            (JsonObject)
                JsonNode.Parse(
                    $$$"""
                    {
                      "apiVersion": "bursar.dev/v1alpha1", "kind": "ClusterGpuBudget", "metadata": {"name": "research"},
                      "spec": {"limit": {"cost": "100"}, "window": {{{window}}}, "namespaceSelector": {"matchLabels": {"department": "research"} } }
                    }
                    """
                )!,
            Ct
        );
        await world.UntilAsync("it covers the teams", async () => (await DepartmentAsync(world)).Status?.NamespaceCount == 3, Ct);
    }

    /// <summary>A job of 48.96 USD, unless it is declared otherwise.</summary>
    public static Task JobAsync(ClusterWorld world, string team, string declared = "16h") =>
        world.CreateJobAsync(team, "train", 1, Ct, ("bursar.dev/expected-duration", declared));

    public static Task<V1Alpha1ClusterGpuBudget> DepartmentAsync(ClusterWorld world) =>
        world.Client.GetAsync<V1Alpha1ClusterGpuBudget>("research", null, Ct);
}

public sealed class DepartmentTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Third_teams_job_waits_for_the_department()
    {
        await using var world = await Department.StartAsync();

        await Department.ThirdTeamsJobWaitsAsync(world);
    }

    [Fact]
    public async Task Workload_of_a_namespace_that_leaves_the_budget_resumes()
    {
        await using var world = await Department.StartAsync();
        var vision = new Scene(world, "team-vision");
        await Department.JobAsync(world, "team-nlp");
        await Department.JobAsync(world, "team-speech");
        await world.PassAsync(TimeSpan.FromSeconds(30), Ct);
        await Department.JobAsync(world, "team-vision");
        await vision.UntilSuspendedAsync("train");
        (await world.MetricsAsync(Ct))
            .Where(sample => sample.Name == "bursar_budget_limit" && sample.Label("budget") == "research")
            .Select(sample => (sample.Label("namespace"), sample.Value))
            .Should()
            .Equal(("*", 100));

        await Department.RemoveLabelAsync(world, "team-vision");
        await vision.UntilResumedAsync("train");
        await vision.PassAsync(30);
        (await vision.EventsAsync("Resumed", "train"))
            .Should()
            .ContainSingle()
            .Which.Note.Should()
            .Contain("budget research does not select it any more");
        (await vision.StatusAsync("vision"))!.Parents.Should().BeNull();
        (await Department.DepartmentAsync(world)).Status!.Namespaces.Should().Equal("team-nlp", "team-speech");
    }

    [Fact]
    public async Task Job_that_fits_neither_budget_resumes_when_both_cover_it()
    {
        await using var world = await Department.StartAsync();
        var vision = new Scene(world, "team-vision");
        await Department.JobAsync(world, "team-vision", "40h");
        await vision.UntilSuspendedAsync("train");
        await vision.PassAsync(30);
        (await vision.StatusAsync("vision"))!.SuspendedCount.Should().Be(1);
        (await Department.DepartmentAsync(world)).Status!.SuspendedCount.Should().Be(1);

        await vision.SetLimitAsync("300", "vision");
        await vision.PassAsync(90);
        (await vision.IsSuspendedAsync("train")).Should().BeTrue("the department does not cover it");
        var waits = (await vision.StatusAsync("vision"))!;
        waits.Reserved.Should().Be("0.000000");
        waits.Workloads!.Single().Reason.Should().Contain("Budget vision would resume it, and it does not fit cluster budget research yet");

        await world.Client.PatchAsync<V1Alpha1ClusterGpuBudget>(
            "research",
            null,
            KubePatch.Merge((JsonObject)JsonNode.Parse("""{"spec": {"limit": {"cost": "400"}}}""")!),
            Ct
        );
        await vision.UntilResumedAsync("train");
        await vision.PassAsync(30);
        (await world.JobAsync("team-vision", "train", Ct)).Metadata.Generation.Should().Be(3, "one suspension and one resume");
    }

    [Fact]
    public async Task Deleted_namespace_keeps_counting_and_a_relabelled_one_leaves_the_budget()
    {
        await using var world = await Department.StartAsync();
        foreach (var team in Department.Teams)
            await Department.JobAsync(world, team, "10h");
        await world.PassAsync(TimeSpan.FromHours(2), Ct);
        var before = Department.SpentOf(await Department.DepartmentAsync(world));
        before.Should().BeGreaterThan(15);

        await world.Client.DeleteAsync<V1Namespace>("team-nlp", null, null, Ct);
        await world.UntilAsync(
            "the namespace is gone",
            async () => await world.Client.GetOrNullAsync<V1Namespace>("team-nlp", null, Ct) is null,
            Ct,
            TimeSpan.FromMinutes(5)
        );
        await world.PassAsync(TimeSpan.FromMinutes(2), Ct);
        var department = await Department.DepartmentAsync(world);
        department.Status!.Namespaces.Should().Equal(Department.Teams);
        Department.SpentOf(department).Should().BeGreaterThanOrEqualTo(before);

        await Department.RemoveLabelAsync(world, "team-speech");
        await world.PassAsync(TimeSpan.FromMinutes(2), Ct);
        department = await Department.DepartmentAsync(world);
        department.Status!.Namespaces.Should().Equal("team-nlp", "team-vision");
        Department.SpentOf(department).Should().BeLessThan(before);
    }
}

/// <summary>These tests run the department on the real control plane.</summary>
[Collection(RealClusterCollection.Name)]
public sealed class RealDepartmentTests(RealCluster cluster)
{
    [SkippableFact]
    public Task Third_teams_job_waits_for_the_department() => cluster.PlayAsync("department", async scene =>
        {
            await Department.CreateAsync(
                scene.World,
                """{"period": "Once", "start": "2020-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z"}"""
            );
            try
            {
                await Department.ThirdTeamsJobWaitsAsync(scene.World);
            }
            finally
            {
                await Department.DeleteAsync(scene.World);
            }
        });
}
