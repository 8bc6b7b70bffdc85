using System.Globalization;
using Bursar.Core.Money;
using Bursar.Kubernetes.Objects;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>The limit itself, with workloads of unknown duration, and the next window.</summary>
public sealed class LimitTests
{
    [Fact]
    public async Task Work_of_unknown_length_stays_within_the_published_bound_and_resumes_in_order()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("4", """{"window": {"period": "Hour"}}""");
        string[] jobs = ["first", "second", "third", "fourth"];
        foreach (var job in jobs)
        {
            await scene.JobAsync(job);
            await scene.PassAsync(1);
        }

        // Four V100 cost 12.24 USD/h, so the limit is reached after a little less than 20 minutes.
        await scene.PassAsync(15 * 60);
        foreach (var job in jobs)
            (await scene.IsSuspendedAsync(job)).Should().BeFalse("budget is left");
        var bound = Parse((await scene.StatusAsync())!.OverspendBound);
        bound.Should().BeGreaterThan(Amount.Zero);
        foreach (var job in jobs)
            await scene.UntilSuspendedAsync(job, TimeSpan.FromMinutes(6));
        await scene.UntilAsync("all pods are gone", async () =>
            (await world.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, CancellationToken.None)).Items.Count == 0
        );
        var spent = Parse(await scene.FinalSpentAsync());
        spent.Should().BeGreaterThan(Amount.FromDecimal(3.8m)).And.BeLessThanOrEqualTo(Amount.FromDecimal(4m) + bound);
        (await scene.StatusAsync())!.State.Should().Be("Exhausted");

        // No job resumes in this window. In the next one all do, the oldest first and one at a time.
        await world.PassAsync(new DateTimeOffset(2026, 11, 21, 9, 59, 58, TimeSpan.Zero) - world.Time.GetUtcNow(), CancellationToken.None);
        foreach (var job in jobs)
            (await scene.IsSuspendedAsync(job)).Should().BeTrue();
        foreach (var job in jobs)
            await scene.UntilResumedAsync(job);
        await scene.UntilAsync("all is reported", async () => (await scene.StatusAsync())?.SuspendedCount == 0);
        var resumes = (await scene.StatusAsync())!.Decisions!.Where(d => d.Action == "Resume").Reverse().ToArray();
        resumes.Select(d => d.Object).Should().Equal(jobs.Select(j => $"Job/{j}"));
        resumes.Should().OnlyContain(d => d.Reason == "NewWindow");
        Parse((await scene.StatusAsync())!.Spent).Should().BeLessThan(Amount.FromDecimal(0.5m), "a new window starts at zero");
    }

    private static Amount Parse(string? text) =>
        Amount.TryParse(text, out var amount) ? amount : throw new FormatException(text?.ToString(CultureInfo.InvariantCulture));
}
