using Bursar.Agent.PodResources;

namespace Bursar.Sandbox.Nodes;

/// <summary>Lists the devices that the kubelet's PodResources API would list on a simulated node.</summary>
internal sealed class SimulatedPodResources(Func<IReadOnlyList<SimulatedPod>> pods) : IPodResources
{
    public Task<IReadOnlyList<PodDevice>> ListAsync(CancellationToken cancellationToken)
    {
        var devices = new List<PodDevice>();
        foreach (var pod in pods())
        {
            var next = 0;
            foreach (var container in pod.Pod.Spec.Containers)
            {
                for (var i = 0; i < container.Gpus && next < pod.Devices.Count; i++)
                    devices.Add(
                        new PodDevice(
                            pod.Pod.Metadata.Namespace ?? "",
                            pod.Pod.Metadata.Name,
                            container.Name,
                            NodeContainer.GpuResource,
                            pod.Devices[next++].Uuid
                        )
                    );
            }
        }

        return Task.FromResult<IReadOnlyList<PodDevice>>(devices);
    }
}
