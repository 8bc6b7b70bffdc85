using Bursar.Kubernetes.Objects;

namespace Bursar.Sandbox.Controllers;

internal static class ControllerKeys
{
    /// <summary>The object's controller, if it is of this kind.</summary>
    public static ObjectKey? OwnerOf(IKubernetesObject obj, string kind) =>
        obj.Metadata.ControllerReference() is { } owner && owner.Kind == kind
            ? new ObjectKey(obj.Metadata.Namespace ?? "", owner.Name)
            : null;
}
