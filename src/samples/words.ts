// What the sample weddings are made of: names in several scripts, and sentences that planners write.
export const firstNames = [
  "Amara", "Liam", "Zoë", "Søren", "Nguyễn", "Łukasz", "Aoife", "José", "Мария", "Олег", "עמית", "ليلى", "さくら", "雨桐", "Priya", "Chiamaka", "Björk", "Renée", "İrem", "Tāne", "O'Neil", "Anne-Marie",
];
export const lastNames = [
  "Okafor", "Müller", "Ó Briain", "García Márquez", "Иванова", "כהן", "الحسن", "田中", "王", "van der Berg", "Smith", "Nowak", "D’Angelo", "Kaʻahumanu", "Åström", "Nguyen", "Patel", "Łoś",
];
export const places = ["Orchard Barn", "Château du Lac", "The Old Mill", "Villa Aurora", "Riverside Hall", "St Brigid’s", "Garden of 花", "Fjord Lodge"];
export const streets = ["Harbour Street", "Rue des Lilas", "Mill Lane", "Ringstraße", "Avenida del Sol", "Church Road", "ulica Długa"];
export const trades = ["florist", "caterer", "photographer", "band", "cake", "transport", "stationery", "lighting"];
export const needs = ["vegetarian", "vegan", "nut allergy", "coeliac", "halal", "kosher", "lactose", "shellfish allergy"];
export const dishes = ["Beetroot carpaccio", "Wild mushroom risotto", "Roast lamb", "Sea bass", "Lemon tart", "Chocolate fondant", "Cheese board", "Midnight tacos"];
export const sentences = [
  "Please seat them near the dance floor, but not next to the speakers.",
  "The deposit is paid; the rest is due two weeks before the day.",
  "Grandmother arrives early and needs a chair with arms at the ceremony.",
  "Can we move the speeches to after the main course? The kitchen agrees.",
  "They will bring the baby, so a high chair and a quiet corner would help.",
  "Confirmed by phone on Tuesday; the written contract follows by e-mail.",
  "The band needs two power circuits and a covered stage of four by six metres.",
  "Colours are sage and cream 🌿, with dried flowers rather than fresh ones.",
  "If it rains, the drinks reception moves to the orangery at half past three.",
  "No flash during the ceremony, and a family list of twelve groups afterwards.",
  "The coach leaves the hotel at 13:15 and again at 13:45 for late arrivals.",
  "Ask the caterer about the second vegan option before the tasting.",
];
/** Text that breaks careless code: tab, newline, backslash, a byte order mark, right-to-left, a combining accent. */
export const awkward = ["tab\there", "line\nbreak", "back\\slash", "\uFEFFbyte order mark", "שלום עולם", "e\u0301 combining", "\\N is not NULL", "quote ' and \"double\"", "👩‍❤️‍👨 family"];
