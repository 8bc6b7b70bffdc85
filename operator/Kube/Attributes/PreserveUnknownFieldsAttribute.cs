namespace Bursar.Kube.Attributes;

/// <summary>
/// An object whose inside the schema leaves alone: nothing is pruned, and patches replace it whole, so that it does not
/// fill managedFields with a path for each value.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class PreserveUnknownFieldsAttribute : Attribute;
