using Bursar.Kube.Objects;

namespace Bursar.Sandbox.Controllers;

/// <summary>Names an object of a known, namespaced kind.</summary>
internal readonly record struct ObjectKey(string Namespace, string Name)
{
    public static ObjectKey Of(IKubernetesObject obj) => new(obj.Metadata.Namespace ?? "", obj.Metadata.Name);

    /// <summary>The controller of an object, if it is of this kind.</summary>
    public static ObjectKey? OwnerOf(IKubernetesObject obj, string kind) =>
        obj.Metadata.ControllerReference() is { } owner && owner.Kind == kind ? new ObjectKey(obj.Metadata.Namespace ?? "", owner.Name) : null;

    public override string ToString() => $"{Namespace}/{Name}";
}
