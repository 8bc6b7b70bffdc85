namespace Bursar.Kube.Attributes;

/// <summary>
/// A text that may also be written as a whole number, as Kubernetes' quantities may. On a map of texts, each of its values. Pattern and
/// length then bound the text, and minimum and maximum the number.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class IntOrStringAttribute : Attribute;
