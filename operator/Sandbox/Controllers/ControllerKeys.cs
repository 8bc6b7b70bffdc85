using Bursar.Kubernetes.Objects;

namespace Bursar.Sandbox.Controllers;

internal static class ControllerKeys
{
    /// <summary>Returns the key of the object's controller if it is of this kind, else null.</summary>
    public static ObjectKey? OwnerOf(IKubernetesObject obj, string kind) =>
        obj.Metadata.ControllerReference() is { } owner && owner.Kind == kind
            ? new ObjectKey(obj.Metadata.Namespace ?? "", owner.Name)
            : null;
}
