namespace Bursar.Kube.Attributes;

/// <summary>The schema requires the field.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class RequiredAttribute : Attribute;
