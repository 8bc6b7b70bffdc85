using System.Text.Json.Nodes;
using Bursar.Sandbox.Controllers;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.Conformance.EmbeddedCluster.Nodes;
using Bursar.Tests.TestKit;
using static Bursar.Tests.TestKit.SimulatedCluster;

namespace Bursar.Tests.Conformance.EmbeddedCluster.Controllers;

/// <summary>The clusters of these tests begin at 08:00 UTC on a Monday.</summary>
public sealed class CronJobControllerTests
{
    private const string Path = "/apis/batch/v1/namespaces/default/cronjobs";
    private static readonly FleetNode Node = new() { Name = "n1", Gpus = 8 };

    [Fact]
    public async Task Schedule_creates_one_job_each_time_and_keeps_the_last_three()
    {
        await using var cluster = await StartAsync(Node);
        await cluster.CreateAsync(Path, Cron("*/10 * * * *", "1m"));

        await cluster.PassAsync(TimeSpan.FromMinutes(9));
        (await JobsAsync(cluster)).Should().BeEmpty();
        await cluster.PassAsync(TimeSpan.FromMinutes(3));
        (await JobsAsync(cluster)).Should().ContainSingle().Which["metadata"]!["annotations"]![
            "batch.kubernetes.io/cronjob-scheduled-timestamp"
        ]!
            .GetValue<string>()
            .Should()
            .Be("2026-11-02T08:10:00Z");
        await cluster.PassAsync(TimeSpan.FromMinutes(50));

        (await JobsAsync(cluster)).Should().HaveCount(3, "five have completed and three are kept");
        var status = (await cluster.GetAsync($"{Path}/nightly"))["status"]!;
        ((string?)status["lastScheduleTime"]).Should().Be("2026-11-02T09:00:00Z");
        status["active"].Should().BeNull();
        ((string?)status["lastSuccessfulTime"]).Should().StartWith("2026-11-02T09:01:");
    }

    [Theory]
    [InlineData("Allow", 3)]
    [InlineData("Forbid", 1)]
    [InlineData("Replace", 1)]
    public async Task Concurrency_policy_decides_about_a_run_beside_another(string policy, int running)
    {
        await using var cluster = await StartAsync(Node);
        await cluster.CreateAsync(Path, Cron("*/10 * * * *", "2h", spec => spec["concurrencyPolicy"] = policy));

        await cluster.PassAsync(TimeSpan.FromMinutes(35));

        var jobs = await JobsAsync(cluster);
        jobs.Should().HaveCount(running);
        var latest = jobs.Max(job => (string?)job["metadata"]!["annotations"]!["batch.kubernetes.io/cronjob-scheduled-timestamp"]);
        latest.Should().Be(policy == "Forbid" ? "2026-11-02T08:10:00Z" : "2026-11-02T08:30:00Z");
    }

    [Fact]
    public async Task Suspended_schedule_creates_nothing_and_makes_up_for_the_latest_time_alone()
    {
        await using var cluster = await StartAsync(Node);
        await cluster.CreateAsync(Path, Cron("*/10 * * * *", "1m", spec => spec["suspend"] = true));
        await cluster.PassAsync(TimeSpan.FromMinutes(45));
        (await JobsAsync(cluster)).Should().BeEmpty();

        await cluster.MergeAsync($"{Path}/nightly", new() { ["spec"] = new JsonObject { ["suspend"] = false } });
        await cluster.PassAsync(TimeSpan.FromSeconds(5));

        (await JobsAsync(cluster)).Should().ContainSingle().Which["metadata"]!["annotations"]![
            "batch.kubernetes.io/cronjob-scheduled-timestamp"
        ]!
            .GetValue<string>()
            .Should()
            .Be("2026-11-02T08:40:00Z");
    }

    [Theory]
    [InlineData("30 9 * * 1-5", "Europe/Berlin", "2026-11-02T08:30:00Z")]
    [InlineData("@daily", null, "2026-11-03T00:00:00Z")]
    [InlineData("0 3 1 * *", "America/New_York", "2026-12-01T08:00:00Z")]
    [InlineData("30 2 * * *", "Europe/Berlin", "2026-11-03T01:30:00Z")]
    public void Schedule_is_read_by_the_clock_of_its_zone(string schedule, string? zone, string next) =>
        CronSchedule
            .TryParse(schedule, zone)!
            .After(Start)
            .Should()
            .Be(DateTimeOffset.Parse(next, System.Globalization.CultureInfo.InvariantCulture));

    [Theory]
    [InlineData("* * * *", null)]
    [InlineData("* * * * *", "Mars/Olympus")]
    public void Schedule_that_cannot_be_read_is_none(string schedule, string? zone) =>
        CronSchedule.TryParse(schedule, zone).Should().BeNull();

    private static JsonObject Cron(string schedule, string runFor, Action<JsonObject>? edit = null)
    {
        var job = Job("unused", gpus: 1, simulation: ("run-for", runFor));
        var spec = new JsonObject
        {
            ["schedule"] = schedule,
            ["jobTemplate"] = new JsonObject { ["spec"] = job["spec"]!.DeepClone() },
        };
        edit?.Invoke(spec);
        return new()
        {
            ["apiVersion"] = "batch/v1",
            ["kind"] = "CronJob",
            ["metadata"] = new JsonObject { ["name"] = "nightly" },
            ["spec"] = spec,
        };
    }

    private static async Task<IReadOnlyList<JsonNode>> JobsAsync(SimulatedCluster cluster) =>
        [.. (await cluster.GetAsync("/apis/batch/v1/namespaces/default/jobs"))["items"]!.AsArray().Select(job => job!)];
}
