using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Events;
using Bursar.Kubernetes.Objects;

namespace Bursar.Sandbox.Controllers;

/// <summary>Publishes the Events of a controller under the name of Kubernetes' controller.</summary>
internal sealed class ControllerEvents(KubeClient client, string controller)
{
    private readonly EventRecorder _recorder = new(
        client,
        new EventRecorderOptions
        {
            ReportingController = controller,
            ReportingInstance = $"{controller}-sandbox",
            // The embedded server needs no rate limit for its own controllers.
            Burst = 1000,
            PerSecond = 1000,
        }
    );

    public Task RunAsync(CancellationToken cancellationToken) => _recorder.RunAsync(cancellationToken);

    public void Publish(IKubernetesObject about, ControllerEvent happened) =>
        _recorder.Publish(
            new KubeEvent
            {
                Regarding = V1ObjectReference.To(about),
                Type = happened.Type,
                Reason = happened.Reason,
                Action = happened.Action,
                Note = happened.Note,
                Key = happened.Note,
            }
        );
}
