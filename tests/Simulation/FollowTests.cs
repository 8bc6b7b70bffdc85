using System.Runtime.CompilerServices;
using Bursar.Tests.TestKit.Following;
using Xunit.Abstractions;

namespace Bursar.Tests.Simulation;

/// <summary>
/// Hours of a chat service's requests, fitted to a production trace, and that trace where it is present, under Bursar's decisions, and
/// under KEDA's and an HPA's: what <c>make bench</c> prints.
/// </summary>
public sealed class FollowTests(ITestOutputHelper output)
{
    /// <summary>Synthetic hours over which figures are averaged: those of one hour depend on chance.</summary>
    private const int Hours = 4;

    [Fact]
    public void Bursar_scaling_serves_sooner_than_KEDA_or_costs_less_at_equal_latency()
    {
        var runs = new IReadOnlyList<FollowFigures>[Hours];
        Parallel.For(0, Hours, new() { MaxDegreeOfParallelism = 2 }, i => runs[i] = FollowTable.Play(Scene(seed: i + 1)));
        runs.SelectMany(run => run).Should().OnlyContain(one => one.Unanswered == 0);
        Compare([.. Enumerable.Range(0, runs[0].Count).Select(i => FollowFigures.MeanOf([.. runs.Select(run => run[i])]))]);
    }

    [SkippableFact]
    public void Comparison_holds_on_a_real_trace()
    {
        var traces = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Here())!, "../../../shared/traces"));
        Skip.IfNot(ChatTrace.IsPresentIn(traces), $"there is no chat trace in {traces}");
        Compare(FollowTable.Play(new() { Requests = ChatTrace.Read(traces, FollowScene.Start) }));

        static string Here([CallerFilePath] string here = "") => here;
    }

    private void Compare(IReadOnlyList<FollowFigures> figures)
    {
        foreach (var row in FollowTable.Rows(figures))
            output.WriteLine(string.Join(" | ", row));
        var (bursar, keda, door, thrifty, capped, peak) = (figures[0], figures[1], figures[2], figures[3], figures[4], figures[5]);

        figures.Should().OnlyContain(one => one.Unanswered == 0);
        // At the same target Bursar asks sooner, and at most for what was needed: that is its higher use.
        bursar.LateFirst.Should().BeLessThan(keda.LateFirst * 3 / 4).And.BeLessThanOrEqualTo(door.LateFirst);
        bursar.LateFirstLater.Should().BeLessThan(keda.LateFirstLater / 4);
        bursar.LateEnd.Should().BeLessThanOrEqualTo(Math.Min(keda.LateEnd, door.LateEnd));
        bursar.GpuHours.Should().BeLessThan(keda.GpuHours * 1.2).And.BeLessThan(door.GpuHours * 1.05).And.BeLessThan(peak.GpuHours * 0.75);
        // With equal use, no more requests wait.
        thrifty.GpuHours.Should().BeLessThanOrEqualTo(keda.GpuHours);
        thrifty.LateFirst.Should().BeLessThanOrEqualTo(keda.LateFirst);
        thrifty.LateEnd.Should().BeLessThanOrEqualTo(keda.LateEnd);

        bursar.ToScale.Should().NotBeEmpty().And.OnlyContain(time => time <= TimeSpan.FromSeconds(2));
        keda.MiddleToScale.Should().BeGreaterThan(TimeSpan.FromSeconds(5));

        capped.Peak.Should().Be(FollowTable.CapReplicas, "more were wanted");
        capped.GpuHours.Should().BeLessThanOrEqualTo(FollowTable.CapReplicas);
    }

    [Fact]
    public void Cap_is_never_exceeded()
    {
        var scene = Scene() with { Length = TimeSpan.FromMinutes(20) };
        var servers = new FollowedServers(scene, 1);
        var autoscaler = new BursarAutoscaler("", scene, scene.Price * 3);
        var capped = 0;
        for (var now = FollowScene.Start + FollowScene.Step; now <= FollowScene.Start + scene.Length; now += FollowScene.Step)
        {
            servers.Pass(now);
            servers.Scale(autoscaler.Evaluate(servers, now), now);
            if (autoscaler.Decision is { IsCapped: true } decision)
            {
                capped++;
                decision.Affordable.Should().Be(3);
                decision.Wanted.Should().BeGreaterThan(3);
                decision.MissingPerHour.Should().Be(scene.Price * (decision.Wanted - 3));
            }
            (scene.Price * servers.Servers.Count(server => !server.IsLeaving)).Should().BeLessThanOrEqualTo(scene.Price * 3);
        }
        capped.Should().BeGreaterThan(0);
    }

    [Fact]
    public void Identical_requests_produce_identical_figures()
    {
        var whole = Scene();
        var scene = whole with { Length = TimeSpan.FromMinutes(5), Requests = [.. whole.Requests.Take(1500)] };
        Once().Should().BeEquivalentTo(Once());

        FollowFigures[] Once() =>
            [
                FollowRun.Play(scene, new BursarAutoscaler("a", scene)),
                FollowRun.Play(scene, new KedaAutoscaler("b", scene, TimeSpan.FromSeconds(15), TimeSpan.FromSeconds(1))),
            ];
    }

    private static FollowScene Scene(int seed = 1) => new() { Requests = ChatTrace.Synthetic(FollowScene.Start, seed) };
}
