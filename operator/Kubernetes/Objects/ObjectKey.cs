namespace Bursar.Kubernetes.Objects;

/// <summary>Namespace and name: what an object is called within its kind.</summary>
public readonly record struct ObjectKey(string Namespace, string Name)
{
    public static ObjectKey From(IKubernetesObject obj) => new(obj.Metadata.Namespace ?? "", obj.Metadata.Name);

    public override string ToString() => Namespace.Length == 0 ? Name : $"{Namespace}/{Name}";
}
