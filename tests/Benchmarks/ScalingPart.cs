using Bursar.Tests.TestKit.Following;

namespace Bursar.Tests.Benchmarks;

/// <summary>
/// Bursar beside KEDA and an HPA over an hour of a real chat service's requests, in simulation: the same figures at each run.
/// </summary>
internal static class ScalingPart
{
    private static readonly int[] Loadings = [45, 10];

    /// <summary>Returns a table for each load time of a model, under its title.</summary>
    public static IEnumerable<(string Title, IReadOnlyList<FollowFigures> Figures)> Play(string traces)
    {
        var requests = ChatTrace.Read(traces, FollowScene.Start);
        foreach (var seconds in Loadings)
        {
            var scene = new FollowScene { Requests = requests, Loading = TimeSpan.FromSeconds(seconds) };
            yield return (
                $"{requests.Count:N0} requests in an hour, a replica loads for {seconds} s, {scene.Tokens} tokens/s and {scene.Waiting} waiting per replica, {scene.Min} to {scene.Max} replicas",
                FollowTable.Play(scene)
            );
        }
    }
}
