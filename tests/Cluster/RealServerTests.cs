using Bursar.Tests.Cluster.Worlds;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Cluster;

/// <summary>The same scenes as on the Sandbox, on a real kube-apiserver with its controllers, in wall time, side by side.</summary>
[Collection(RealCluster.Name)]
public sealed class RealServerTests(RealPlane plane)
{
    [SkippableFact]
    public async Task The_scenes_of_the_Sandbox_hold_on_a_real_API_server()
    {
        Skip.If(!ControlPlane.IsPresent, ControlPlane.Absent);
        await Task.WhenAll(
            PlayAsync("bad-input", BadInput.RefusedAndOthersWorkAsync),
            PlayAsync("zero", Inference.ZeroScalesDownAndBackAsync),
            PlayAsync("floor", Inference.FloorIsLeftAloneAsync),
            PlayAsync("hpa", Inference.ScaledByOthersIsReportedAsync),
            PlayAsync("foreign", Inference.ForeignWorkIsCountedAndReportedAsync),
            PlayAsync("observe", Control.ObserveModeTouchesNothingAsync),
            PlayAsync("contest", ParkedWork.UndoneIsParkedAgainThenContestedAsync));
        // Not more: six parkings by forecast within five minutes would apply the cluster's brake.
    }

    private async Task PlayAsync(string team, Func<Scene, Task> play)
    {
        try
        {
            await play(await Scene.OpenAsync(plane.World, team));
        }
        catch (Exception error)
        {
            throw new InvalidOperationException($"{team}: {error.Message}", error);
        }
    }
}
