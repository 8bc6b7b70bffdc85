namespace Bursar.Tests.TestKit.Following;

/// <summary>Plays one autoscaler over a scene, on one thread and in no time.</summary>
public static class FollowRun
{
    private static readonly TimeSpan FirstTokenGoal = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan EndGoal = TimeSpan.FromSeconds(20);

    private static readonly TimeSpan Beginning = TimeSpan.FromMinutes(5);

    /// <summary>The time to wait for unfinished requests after the scene's end.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(30);

    public static FollowFigures Play(FollowScene scene, Autoscaler autoscaler, int replicas = 1)
    {
        var servers = new FollowedServers(scene, replicas);
        var toScale = new List<TimeSpan>();
        DateTimeOffset? needed = null;
        var end = FollowScene.Start + scene.Length;
        for (var now = FollowScene.Start + FollowScene.Step; now <= end; now += FollowScene.Step)
        {
            servers.Pass(now);
            needed = servers.NeedMore(now) ? needed ?? now : null;
            var asked = autoscaler.Evaluate(servers, now);
            if (asked > servers.Replicas && needed is { } since)
            {
                toScale.Add(now - since);
                needed = null;
            }
            servers.Scale(asked, now);
        }
        var outcomes = servers.Load.EndedBy(end + Patience);
        var firsts = outcomes.Select(one => one.FirstToken - one.Arrived).Order().ToArray();
        return new()
        {
            Autoscaler = autoscaler.Name,
            Requests = scene.Requests.Count,
            Unanswered = scene.Requests.Count - outcomes.Count,
            LateFirst = firsts.Count(time => time > FirstTokenGoal),
            LateFirstLater = outcomes.Count(one =>
                one.FirstToken - one.Arrived > FirstTokenGoal && one.Arrived - FollowScene.Start > Beginning
            ),
            LateEnd = outcomes.Count(one => one.Ended - one.Arrived > EndGoal),
            FirstToken95 = Percentile(firsts, 95),
            FirstToken99 = Percentile(firsts, 99),
            GpuHours = servers.GpuTime.TotalHours,
            Cost = scene.Price.For(servers.GpuTime),
            Ups = servers.Ups,
            Downs = servers.Downs,
            Peak = servers.Peak,
            ToScale = toScale,
        };
    }

    private static TimeSpan Percentile(TimeSpan[] sorted, int percent) =>
        sorted.Length == 0 ? TimeSpan.Zero : sorted[Math.Min(sorted.Length - 1, sorted.Length * percent / 100)];
}
